"""The interop cases over grpcio, as grpc/grpc doc/interop-test-descriptions.md describes them.

usage: cases.py --server_host=127.0.0.1 --server_port=10000 --test_case=NAME
       [--use_tls=true --ca_file=FILE --server_host_override=NAME]
"""
import pathlib
import queue
import sys

import grpc

from google.protobuf import duration_pb2
from grpc_testing_stubs import messages_pb2, empty_pb2, test_pb2_grpc
from xds.service.orca.v3 import orca_pb2, orca_pb2_grpc

from reports import load_report

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


def large_request(**options):
    return messages_pb2.SimpleRequest(response_size=314159, payload=payload(271828), **options)


def empty_unary(stub, _channel):
    expect(stub.EmptyCall(empty_pb2.Empty()) == empty_pb2.Empty(), "not empty")


def large_unary(stub, _channel, compression=None, **options):
    response = stub.UnaryCall(large_request(**options), compression=compression)
    expect(len(response.payload.body) == 314159, "the answer's size")


def boolean(value):
    return messages_pb2.BoolValue(value=value)


def client_compressed_unary(stub, channel):
    probe = large_request(expect_compressed=boolean(True))
    expect_status(lambda: stub.UnaryCall(probe), grpc.StatusCode.INVALID_ARGUMENT)
    large_unary(stub, channel, grpc.Compression.Gzip, expect_compressed=boolean(True))
    large_unary(stub, channel, expect_compressed=boolean(False))


# grpcio does not tell how an answer came compressed: that it can be read is what is seen in these two.
def server_compressed_unary(stub, channel):
    for value in (True, False):
        large_unary(stub, channel, response_compressed=boolean(value))


def server_compressed_streaming(stub, _channel):
    parameters = [
        messages_pb2.ResponseParameters(size=size, compressed=boolean(compressed))
        for size, compressed in ((31415, True), (92653, False))
    ]
    request = messages_pb2.StreamingOutputCallRequest(response_parameters=parameters)
    sizes = [len(response.payload.body) for response in stub.StreamingOutputCall(request)]
    expect(sizes == [31415, 92653], f"sizes are {sizes}")


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


def load(cpu, memory, util):
    return messages_pb2.TestOrcaReport(cpu_utilization=cpu, memory_utilization=memory, utilization={"util": util})


def orca_oob(stub, channel):
    responses, requests = duplex(stub)
    interval = orca_pb2.OrcaLoadReportRequest(report_interval=duration_pb2.Duration(seconds=1))
    reports = orca_pb2_grpc.OpenRcaServiceStub(channel).StreamCoreMetrics(interval, timeout=30)
    for wanted in (load(0.8210, 0.5847, 0.30499), load(0.29309, 0.2, 0.2039)):
        parameters = [messages_pb2.ResponseParameters(size=1)]
        requests.put(messages_pb2.StreamingOutputCallRequest(response_parameters=parameters, orca_oob_report=wanted))
        next(responses)
        # The report that is wanted need not be the first.
        while next(reports) != load_report(wanted):
            pass
    reports.cancel()
    requests.put(None)
    expect(list(responses) == [], "an answer after the last one")


def rpc_soak(stub, channel):
    for _ in range(int(FLAGS.get("soak_iterations", 10))):
        large_unary(stub, channel)


def channel_soak(_stub, _channel):
    for _ in range(int(FLAGS.get("soak_iterations", 10))):
        with connect(("grpc.use_local_subchannel_pool", 1)) as channel:
            large_unary(test_pb2_grpc.TestServiceStub(channel), channel)


FLAGS = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])


def connect(*options):
    target = f"{FLAGS.get('server_host', 'localhost')}:{FLAGS.get('server_port', '10000')}"
    if FLAGS.get("use_tls") != "true":
        return grpc.insecure_channel(target, options)
    if name := FLAGS.get("server_host_override"):
        options += (("grpc.ssl_target_name_override", name), ("grpc.default_authority", name))
    authorities = pathlib.Path(FLAGS["ca_file"]).read_bytes()
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(authorities), options)


def main():
    with connect() as channel:
        globals()[FLAGS.get("test_case", "empty_unary")](test_pb2_grpc.TestServiceStub(channel), channel)


main()
