"""A minimal CoreWeave server (v1) on grpcio: what the bench's gRPC rows are compared with.

GetSandbox answers the same bytes each time; StreamExec starts the command and sends ready, output and exit.  No message
classes: bytes are put together by hand, which is faster than what a real server would do, and so the harder peer.
Prints a ready line as standbox-mockserver does, and ends with SIGTERM.
"""

import json
import signal
import subprocess
from concurrent import futures

import grpc

SERVICE = "coreweave.sandbox.v1.SandboxService"
WORKERS = 64


def field(number, data):
    """A field of bytes."""
    length, size = len(data), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def fields(message):
    """The fields of bytes, as (number, data)."""
    at = 0
    while at < len(message):
        number, at = message[at] >> 3, at + 1
        size = shift = 0
        while True:
            byte, at = message[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield number, message[at : at + size]
        at += size


RUNNING = field(3, b"\x08\x02")
READY = field(1, b"")


def get_sandbox(request, context):
    return field(1, next(data for number, data in fields(request) if number == 1)) + RUNNING


def create_sandbox(request, context):
    return field(1, b"peer") + RUNNING


def output(stream, data):
    return field(2, bytes([8, stream]) + field(2, data))


def stream_exec(requests, context):
    init = next(data for number, data in fields(next(requests)) if number == 1)
    argv = [data for number, data in fields(init) if number == 2]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield READY
    for stream, data in enumerate(child.communicate(), start=1):
        if data:
            yield output(stream, data)
    yield field(3, b"\x08" + bytes([child.returncode]))


def main():
    handlers = {
        "CreateSandbox": grpc.unary_unary_rpc_method_handler(create_sandbox),
        "GetSandbox": grpc.unary_unary_rpc_method_handler(get_sandbox),
        "StreamExec": grpc.stream_stream_rpc_method_handler(stream_exec),
    }
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])   # before there are other threads
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"grpc": f"http://127.0.0.1:{port}"}), flush=True)
    signal.sigwait([signal.SIGTERM])
    server.stop(0)


main()
