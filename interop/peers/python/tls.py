"""One call over TLS by grpcio, or calls for some time, each few on a connection of their own.

usage: tls.py --target=localhost:10000 --ca=FILE [--cert=FILE --key=FILE] [--name=NAME] [--seconds=N]

Prints the status of the call; with --seconds how many calls there were and how many failed.
"""
import sys
import time

import grpc

CALLS_PER_CONNECTION = 20


def read(path):
    with open(path, "rb") as file:
        return file.read()


def connect(flags):
    key, certificate = (read(flags["key"]), read(flags["cert"])) if "cert" in flags else (None, None)
    credentials = grpc.ssl_channel_credentials(read(flags["ca"]), key, certificate)
    # Subchannels are shared between channels with equal options; these are to have connections of their own.
    options = [("grpc.use_local_subchannel_pool", 1)]
    if "name" in flags:
        options.append(("grpc.ssl_target_name_override", flags["name"]))
    return grpc.secure_channel(flags["target"], credentials, options)


def call(channel):
    """The status of an EmptyCall, whose messages have no bytes."""
    method = channel.unary_unary(
        "/grpc.testing.TestService/EmptyCall", request_serializer=bytes, response_deserializer=bytes
    )
    try:
        method(b"", timeout=10)
        return "OK", ""
    except grpc.RpcError as error:
        return error.code().name, error.details()


def call_for(flags, seconds):
    calls = failed = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with connect(flags) as channel:
            for _ in range(CALLS_PER_CONNECTION):
                code, details = call(channel)
                calls += 1
                if code != "OK":
                    failed += 1
                    print(f"{code}: {details}", file=sys.stderr)
    print(f"{calls} calls, {failed} failed")


def main():
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    if "seconds" in flags:
        return call_for(flags, float(flags["seconds"]))
    with connect(flags) as channel:
        code, details = call(channel)
    print(code)
    print(details, file=sys.stderr)


main()
