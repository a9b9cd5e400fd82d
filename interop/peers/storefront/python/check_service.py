"""What the contract says of all services: limits, broken input, health, reflection, deadlines, and the drain."""
import os
import signal
import threading
import time

from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from chat.v1 import chat_pb2
from file.v1 import file_pb2
from order.v1 import order_pb2
from user.v1 import user_pb2

from check_orders import new_order, watch
from checks import check
from shop import (
    Code, Talk, channel, chats, email, equal, expect, fails, files, flags, orders, unique, users,
)

SERVICES = ["user.v1.UserService", "order.v1.OrderService", "file.v1.FileService", "chat.v1.ChatService"]
health = health_pb2_grpc.HealthStub(channel)
INCOMING = os.path.join(flags["data"], "incoming")


def unary(method, request):
    return channel.unary_unary(method)(request)


def wait_for(holds):
    while not holds():
        time.sleep(0.005)


@check("a stream without a request is not ended by the server's own limit", at_once=True)
def no_limit_for_streams():
    talk = Talk(users.UserChat)
    time.sleep(32)
    equal(talk.say(user_pb2.ChatMessage(content="late")).next().content, "Echo: late")
    talk.end()


@check("an unknown method, an unknown service")
def unknown():
    fails(Code.UNIMPLEMENTED, lambda: unary("/user.v1.UserService/Nothing", b""))
    fails(Code.UNIMPLEMENTED, lambda: unary("/nobody.v1.Nothing/GetUser", b""))


@check("a message over 4 MiB")
def too_large():
    request = user_pb2.CreateUserRequest(name="n" * (4 << 20), email=email())
    fails(Code.RESOURCE_EXHAUSTED, lambda: users.CreateUser(request))
    Talk(users.UserChat).say(user_pb2.ChatMessage(content="x" * (4 << 20))).fails(Code.RESOURCE_EXHAUSTED)


@check("broken protobuf, and text that is not UTF-8")
def broken():
    fails(Code.INTERNAL, lambda: unary("/user.v1.UserService/GetUser", b"\x0a\x7fa"))
    fails(Code.INTERNAL, lambda: unary("/user.v1.UserService/GetUser", b"\x0a\x02\xff\xfe"))


@check("a client's deadline, and a cancelled upload")
def cut_short():
    order = new_order()
    fails(Code.DEADLINE_EXCEEDED, lambda: orders.WatchOrder(order_pb2.WatchOrderRequest(order_id=order.id), timeout=0.2))
    begun = threading.Event()

    def chunks():
        yield file_pb2.FileChunk(filename="name", content=bytes(100_000))
        begun.wait()

    call = files.UploadFile.future(chunks())
    wait_for(lambda: os.listdir(INCOMING))
    call.cancel()
    begun.set()
    wait_for(lambda: not os.listdir(INCOMING))


@check("health")
def healthy():
    for service in ["", *SERVICES]:
        equal(health.Check(health_pb2.HealthCheckRequest(service=service)).status, health_pb2.HealthCheckResponse.SERVING)
    fails(Code.NOT_FOUND, lambda: health.Check(health_pb2.HealthCheckRequest(service="nobody")))
    unknown = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    equal(next(unknown).status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
    expect(unknown.is_active(), "the watch has ended")
    unknown.cancel()


@check("reflection v1alpha, by grpcio's own client")
def reflection():
    database = ProtoReflectionDescriptorDatabase(channel)
    names = database.get_services()
    for service in [*SERVICES, "grpc.health.v1.Health"]:
        expect(service in names, service)
    pool = descriptor_pool.DescriptorPool(database)
    for service in SERVICES:
        own = pool.FindServiceByName(service)
        equal(own.file.name, service.rsplit(".", 1)[0].replace(".", "/") + "/" + service.split(".")[0] + ".proto")
    equal(pool.FindMessageTypeByName("order.v1.Money").fields_by_name["units"].number, 2)


@check("at SIGTERM streams without an end of their own are told, and others finish")
def drain():
    watching = watch(new_order().id)
    next(watching)
    room = Talk(chats.Chat).say(chat_pb2.ChatMessage(room_id=unique("room"), content="hello"))
    room.next()
    echo = Talk(users.UserChat).say(user_pb2.ChatMessage(content="hello"))
    echo.next()
    serving = health.Watch(health_pb2.HealthCheckRequest())
    equal(next(serving).status, health_pb2.HealthCheckResponse.SERVING)
    drained = threading.Event()

    def chunks():
        yield file_pb2.FileChunk(filename="name", content=bytes(1000))
        drained.wait()
        yield file_pb2.FileChunk(content=bytes(1000))

    upload = files.UploadFile.future(chunks())
    wait_for(lambda: os.listdir(INCOMING))
    os.kill(int(flags["pid"]), signal.SIGTERM)
    for stream in (watching, room.call, echo.call):
        fails(Code.UNAVAILABLE, lambda: stream, "server is shutting down")
    equal(next(serving).status, health_pb2.HealthCheckResponse.NOT_SERVING)
    drained.set()
    equal(upload.result().size, 2000)
    fails(Code.UNAVAILABLE, lambda: users.ListUsers(user_pb2.ListUsersRequest()))
    room.close(), echo.close()
