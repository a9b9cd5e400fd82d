"""The interop cases over grpcio, as grpc/grpc doc/interop-test-descriptions.md describes them.

usage: cases.py --server_host=127.0.0.1 --server_port=10000 --test_case=NAME[,NAME...]
"""
import itertools
import queue
import sys

import grpc

from grpc_testing_stubs import messages_pb2, empty_pb2, test_pb2_grpc

RESPONSE_SIZES = (31415, 9, 2653, 58979)
REQUEST_SIZES = (27182, 8, 1828, 45904)


def payload(size):
    return messages_pb2.Payload(body=b"\0" * size)


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def expect_status(call, code, details=None):
    try:
        call()
    except grpc.RpcError as error:
        expect(error.code() == code, f"{error.code()}: {error.details()}")
        expect(details is None or error.details() == details, f"details are {error.details()!r}")
        return
    raise AssertionError(f"the call ended OK, not {code}")


def streaming_request(response_size, size):
    return messages_pb2.StreamingOutputCallRequest(
        response_parameters=[messages_pb2.ResponseParameters(size=response_size)], payload=payload(size)
    )


def large_request():
    return messages_pb2.SimpleRequest(response_size=314159, payload=payload(271828))


def empty_unary(stub, _channel):
    expect(stub.EmptyCall(empty_pb2.Empty()) == empty_pb2.Empty(), "not empty")


def large_unary(stub, _channel):
    expect(len(stub.UnaryCall(large_request()).payload.body) == 314159, "the answer's size")


def client_streaming(stub, _channel):
    requests = (messages_pb2.StreamingInputCallRequest(payload=payload(size)) for size in (27182, 8, 1828, 45904))
    expect(stub.StreamingInputCall(requests).aggregated_payload_size == 74922, "the sum of the sizes")


def server_streaming(stub, _channel):
    parameters = [messages_pb2.ResponseParameters(size=size) for size in RESPONSE_SIZES]
    request = messages_pb2.StreamingOutputCallRequest(response_parameters=parameters)
    sizes = [len(response.payload.body) for response in stub.StreamingOutputCall(request)]
    expect(sizes == list(RESPONSE_SIZES), f"sizes are {sizes}")


def duplex(stub, **options):
    """A duplex call and the queue that feeds it; None half-closes."""
    requests = queue.Queue()
    return stub.FullDuplexCall(iter(requests.get, None), **options), requests


def ping_pong(stub, _channel):
    responses, requests = duplex(stub)
    for response_size, size in zip(RESPONSE_SIZES, REQUEST_SIZES):
        requests.put(streaming_request(response_size, size))
        expect(len(next(responses).payload.body) == response_size, "an answer's size")
    requests.put(None)
    expect(list(responses) == [], "an answer after the last one")


def empty_stream(stub, _channel):
    expect(list(stub.FullDuplexCall(iter(()))) == [], "an answer without a request")


def custom_metadata(stub, _channel):
    initial = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
    trailing = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
    _, call = stub.UnaryCall.with_call(large_request(), metadata=(initial, trailing))
    expect(initial in call.initial_metadata(), "unary: initial metadata")
    expect(trailing in call.trailing_metadata(), "unary: trailing metadata")
    responses, requests = duplex(stub, metadata=(initial, trailing))
    requests.put(streaming_request(314159, 271828))
    requests.put(None)
    expect(len(list(responses)) == 1, "duplex: one answer")
    expect(initial in responses.initial_metadata(), "duplex: initial metadata")
    expect(trailing in responses.trailing_metadata(), "duplex: trailing metadata")


def status_code_and_message(stub, _channel):
    wanted = messages_pb2.EchoStatus(code=2, message="test status message")
    expect_status(
        lambda: stub.UnaryCall(messages_pb2.SimpleRequest(response_status=wanted)),
        grpc.StatusCode.UNKNOWN, wanted.message,
    )
    request = messages_pb2.StreamingOutputCallRequest(response_status=wanted)
    expect_status(lambda: list(stub.FullDuplexCall(iter((request,)))), grpc.StatusCode.UNKNOWN, wanted.message)


def special_status_message(stub, _channel):
    wanted = messages_pb2.EchoStatus(code=2, message="\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")
    expect_status(
        lambda: stub.UnaryCall(messages_pb2.SimpleRequest(response_status=wanted)),
        grpc.StatusCode.UNKNOWN, wanted.message,
    )


def unimplemented_method(stub, _channel):
    expect_status(lambda: stub.UnimplementedCall(empty_pb2.Empty()), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(_stub, channel):
    stub = test_pb2_grpc.UnimplementedServiceStub(channel)
    expect_status(lambda: stub.UnimplementedCall(empty_pb2.Empty()), grpc.StatusCode.UNIMPLEMENTED)


def cancel_after_begin(stub, _channel):
    call = stub.StreamingInputCall.future(iter(queue.Queue().get, None))
    call.cancel()
    expect(call.cancelled() and call.code() == grpc.StatusCode.CANCELLED, f"ended {call.code()}")


def cancel_after_first_response(stub, _channel):
    responses, requests = duplex(stub)
    requests.put(streaming_request(31415, 27182))
    next(responses)
    responses.cancel()
    expect_status(lambda: next(responses), grpc.StatusCode.CANCELLED)


def timeout_on_sleeping_server(stub, _channel):
    responses, requests = duplex(stub, timeout=0.001)
    requests.put(messages_pb2.StreamingOutputCallRequest(payload=payload(27182)))
    expect_status(lambda: next(responses), grpc.StatusCode.DEADLINE_EXCEEDED)


def main():
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    failed = 0
    target = f"{flags.get('server_host', 'localhost')}:{flags.get('server_port', '10000')}"
    with grpc.insecure_channel(target) as channel:
        stub = test_pb2_grpc.TestServiceStub(channel)
        for name in flags.get("test_case", "empty_unary").split(","):
            try:
                globals()[name](stub, channel)
                print(f"{name}: ok", flush=True)
            except Exception as error:  # whatever it is, the other cases still run
                failed += 1
                print(f"{name}: FAILED: {error!r}", flush=True)
    sys.exit(1 if failed else 0)


main()
