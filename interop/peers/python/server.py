"""The interop server over grpcio.

usage: server.py --port=10000 [--use_tls=true --tls_cert_file=FILE --tls_key_file=FILE]
"""
import pathlib
import sys
import time
from concurrent import futures

import grpc

from grpc_testing_stubs import messages_pb2, empty_pb2, test_pb2_grpc
from xds.data.orca.v3 import orca_load_report_pb2
from xds.service.orca.v3 import orca_pb2_grpc

from reports import TRAILER, load_report

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


def echo_metadata(context, *trailing):
    metadata = dict(context.invocation_metadata())
    if INITIAL in metadata:
        context.send_initial_metadata(((INITIAL, metadata[INITIAL]),))
    if TRAILING in metadata:
        trailing += ((TRAILING, metadata[TRAILING]),)
    context.set_trailing_metadata(trailing)


def report(request):
    """What the request wants to be reported with its call."""
    if request.HasField("orca_per_query_report"):
        yield TRAILER, load_report(request.orca_per_query_report).SerializeToString()


def echo_status(request, context):
    if request.HasField("response_status") and request.response_status.code:
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[request.response_status.code], request.response_status.message)


def payload(size):
    return messages_pb2.Payload(body=b"\0" * size)


class Reports(orca_pb2_grpc.OpenRcaServiceServicer):
    """What is reported apart from calls."""

    load = orca_load_report_pb2.OrcaLoadReport()

    def StreamCoreMetrics(self, request, context):
        while context.is_active():
            yield self.load
            time.sleep(1)


class Interop(test_pb2_grpc.TestServiceServicer):
    def __init__(self, reports):
        self.reports = reports

    def EmptyCall(self, request, context):
        return empty_pb2.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context, *report(request))
        echo_status(request, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        return messages_pb2.SimpleResponse(payload=payload(request.response_size))

    def StreamingOutputCall(self, request, context):
        echo_metadata(context)
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        yield from self.answers(request, context)
        echo_status(request, context)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            if request.HasField("orca_oob_report"):
                self.reports.load = load_report(request.orca_oob_report)
            yield from self.answers(request, context)
            echo_status(request, context)

    @staticmethod
    def answers(request, context):
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 1e6)
            if not parameters.compressed.value:
                context.disable_next_message_compression()
            yield messages_pb2.StreamingOutputCallResponse(payload=payload(parameters.size))


def main():
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    reports = Reports()
    test_pb2_grpc.add_TestServiceServicer_to_server(Interop(reports), server)
    orca_pb2_grpc.add_OpenRcaServiceServicer_to_server(reports, server)
    address = f"127.0.0.1:{flags.get('port', '10000')}"
    if flags.get("use_tls") == "true":
        key, certificates = (pathlib.Path(flags[name]).read_bytes() for name in ("tls_key_file", "tls_cert_file"))
        server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificates)]))
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


main()
