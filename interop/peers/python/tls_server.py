"""EmptyCall over TLS by grpcio: tls_server.py --port=10000 --cert=FILE --key=FILE [--client_ca=FILE]."""
import sys
from concurrent import futures

import grpc


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    authorities = read(flags["client_ca"]) if "client_ca" in flags else None
    credentials = grpc.ssl_server_credentials(
        [(read(flags["key"]), read(flags["cert"]))], authorities, require_client_auth=authorities is not None
    )
    empty_call = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("grpc.testing.TestService", {"EmptyCall": empty_call})]
    )
    server.add_secure_port(f"127.0.0.1:{flags['port']}", credentials)
    server.start()
    server.wait_for_termination()


main()
