"""A client of each service of the storefront, and ways to call them."""
import itertools
import os
import queue
import sys
import time

import grpc
from google.rpc import error_details_pb2, status_pb2  # noqa: F401: their types are what the details unpack to
from grpc_status import rpc_status

from chat.v1 import chat_pb2_grpc
from file.v1 import file_pb2_grpc
from order.v1 import order_pb2_grpc
from user.v1 import user_pb2, user_pb2_grpc

flags = dict(flag.lstrip("-").split("=", 1) for flag in sys.argv[1:])
channel = grpc.insecure_channel(flags["target"])
users = user_pb2_grpc.UserServiceStub(channel)
orders = order_pb2_grpc.OrderServiceStub(channel)
files = file_pb2_grpc.FileServiceStub(channel)
chats = chat_pb2_grpc.ChatServiceStub(channel)

Code = grpc.StatusCode


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r} is not {wanted!r}")


def fails(code, call, message=None):
    """Expects a call to fail, and gives the error."""
    try:
        answer = call()
        if hasattr(answer, "__next__"):
            for _ in answer:
                pass
    except grpc.RpcError as error:
        expect(error.code() == code, f"not {code} but {error.code()}: {error.details()}")
        expect(error.details(), "the error says nothing")
        if message is not None:
            equal(error.details(), message)
        return error
    raise AssertionError(f"the call ended OK, not {code}")


def details(error, kind):
    """The one detail of this type."""
    status = rpc_status.from_call(error)
    expect(status is not None, "the error has no details")
    for detail in status.details:
        found = getattr(error_details_pb2, kind)()
        if detail.Unpack(found):
            return found
    raise AssertionError(f"no {kind} among {[detail.type_url for detail in status.details]}")


def bad_fields(error):
    return sorted(violation.field for violation in details(error, "BadRequest").field_violations)


class Talk:
    """A stream in both directions, said and heard message by message."""

    def __init__(self, method):
        self._requests = queue.Queue()
        self.call = method(iter(self._requests.get, None))

    def say(self, *messages):
        for message in messages:
            self._requests.put(message)
        return self

    def next(self):
        return next(self.call)

    def close(self):
        self._requests.put(None)

    def end(self):
        """Half-closes and expects nothing more but OK."""
        self.close()
        equal(list(self.call), [])

    def fails(self, code):
        try:
            return fails(code, lambda: self.call)
        finally:
            self.close()


def recent(timestamp):
    expect(abs(timestamp.seconds - time.time()) < 60, "it is not the server's time")


_unique = itertools.count()


def unique(what):
    return f"{what}-{os.getpid()}-py-{next(_unique)}"


def email():
    return f"{unique('somebody')}@example.com"


def new_user(name="Somebody"):
    return users.CreateUser(user_pb2.CreateUserRequest(name=name, email=email())).user
