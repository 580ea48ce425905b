"""A client of Python's grpcio that calls a greeter at the address given; prints `fine` at the end.

Messages have one string field each, numbered 1, so that no generated code is needed.
"""

import sys

import grpc


def encode(text):
    raw = text.encode()
    length, prefix = len(raw), bytearray([10])
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + raw


def decode(raw):
    if not raw:
        return ""
    at = 1
    while raw[at] & 128:
        at += 1
    return raw[at + 1 :].decode()


def main(address):
    with grpc.insecure_channel(address) as channel:
        path = "/greeter.Greeter/"
        ways = {"request_serializer": encode, "response_deserializer": decode}
        hello = channel.unary_unary(path + "Hello", **ways)
        assert hello("John", timeout=10) == "Hello John"
        large = "x" * 1_000_000
        assert hello(large, timeout=10) == "Hello " + large
        compressed = hello("y" * 100_000, timeout=10, compression=grpc.Compression.Gzip)
        assert compressed == "Hello " + "y" * 100_000

        told = channel.unary_unary(path + "Told", **ways)
        assert told("tenant", metadata=[("tenant", "acme")], timeout=100.5) == "acme 100"

        count = channel.unary_stream(path + "Count", **ways)
        assert list(count("5", timeout=10)) == ["1", "2", "3", "4", "5"]

        join = channel.stream_unary(path + "Join", **ways)
        assert join(iter(["a", "b", "c"]), timeout=10) == "a, b, c"

        echo = channel.stream_stream(path + "Echo", **ways)
        names = [str(number) for number in range(100)]
        assert list(echo(iter(names), timeout=10)) == names

        fail = channel.unary_unary(path + "Fail", **ways)
        try:
            fail("9", timeout=10)
            raise AssertionError("an error")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
            assert error.details() == "no `tea` left: 100 %\n\u2603"
            trailers = dict(error.trailing_metadata())
            assert trailers["kettle"] == "cold"
            assert trailers["grpc-status-details-bin"] == b"\x08\x05\x12\x05hello"

        hang = channel.unary_unary(path + "Hang", **ways)
        try:
            hang("x", timeout=0.2)
            raise AssertionError("an error")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    print("fine")


main(sys.argv[1])
