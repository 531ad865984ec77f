"""The gRPC transport as a real client sees it: grpcio with stubs for bare bytes, on the C tests' echo program."""

import base64
import os
import subprocess
import threading
import time

import grpc
import pytest

ECHO = os.environ["STANDBOX_GRPC_ECHO"]
SECONDS = 60 * float(os.environ.get("STANDBOX_PATIENCE") or 1)
MIB = 1 << 20


class Echo:
    def __init__(self):
        self.program = subprocess.Popen([ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.target = self.program.stdout.readline().strip().removeprefix("http://")
        assert self.target, "the echo program did not start"

    def order(self, line):
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()
        assert self.program.stdout.readline() == "ok\n"

    def channel(self):
        sizes = [("grpc.max_receive_message_length", 100 * MIB), ("grpc.max_send_message_length", 100 * MIB)]
        return grpc.insecure_channel(self.target, options=sizes)

    def stop(self):
        self.program.stdin.close()
        return self.program.wait(SECONDS)


@pytest.fixture
def echo():
    program = Echo()
    yield program
    if program.program.poll() is None:
        assert program.stop() == 0


@pytest.fixture
def channel(echo):
    with echo.channel() as channel:
        yield channel


def fails(call):
    with pytest.raises(grpc.RpcError) as failure:
        call()
    return failure.value


def test_unary(channel):
    call = channel.unary_unary("/t.Echo/Unary")
    for message in b"", b"hello", bytes(range(256)) * 300:
        assert call(message, timeout=SECONDS) == message


def test_metadata_and_deadline_arrive(channel):
    call = channel.unary_unary("/t.Echo/Ask")
    answer, info = call.with_call(b"", metadata=[("x-key", "value"), ("raw-bin", b"\0\1")], timeout=300)
    lines = answer.decode().splitlines()
    assert "path /t.Echo/Ask" in lines and "x-key: value" in lines
    [raw] = [line.split(": ")[1] for line in lines if line.startswith("raw-bin")]
    assert base64.b64decode(raw + "=" * (-len(raw) % 4)) == b"\0\1"
    [seconds] = [int(line.split()[1]) for line in lines if line.startswith("seconds")]
    assert 290 <= seconds <= 301
    assert ("x-first", "1") in info.initial_metadata()


def test_server_stream(channel):
    messages = list(channel.unary_stream("/t.Echo/Count")(b"200 10000", timeout=SECONDS))
    assert [len(message) for message in messages] == [10000] * 200
    assert len(set(messages)) == 1


def test_client_stream(channel):
    call = channel.stream_unary("/t.Echo/Collect")
    assert call(iter([b"x" * 100000] * 50), timeout=SECONDS).startswith(b"5000000")


def test_bidi_in_turn(channel):
    mine = threading.Semaphore(1)

    def messages():
        for i in range(50):
            assert mine.acquire(timeout=SECONDS)
            yield b"%d" % i

    answers = []
    for answer in channel.stream_stream("/t.Echo/Bidi")(messages(), timeout=SECONDS):
        answers.append(answer)
        mine.release()
    assert answers == [b"%d" % i for i in range(50)]


def test_deadline(channel):
    begin = time.monotonic()
    error = fails(lambda: list(channel.unary_stream("/t.Echo/Wait")(b"", timeout=0.2)))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begin >= 0.2
    assert channel.unary_unary("/t.Echo/Unary")(b"next", timeout=SECONDS) == b"next"


def test_cancel(echo, channel):
    stream = channel.unary_stream("/t.Echo/Wait")(b"", timeout=SECONDS)
    stream.initial_metadata()  # it is under way
    stream.cancel()
    assert fails(lambda: next(stream)).code() == grpc.StatusCode.CANCELLED
    echo.order("release")  # the late answer meets nobody
    assert channel.unary_unary("/t.Echo/Unary")(b"next", timeout=SECONDS) == b"next"


@pytest.mark.parametrize("status", [status for status in grpc.StatusCode if status != grpc.StatusCode.OK])
def test_status_message_and_details(channel, status):
    text = "é 100% of it,\nand more"
    error = fails(lambda: channel.unary_unary("/t.Echo/Fail")(f"{status.value[0]} {text}".encode(), timeout=SECONDS))
    assert (error.code(), error.details()) == (status, text)
    trailers = dict(error.trailing_metadata())
    assert trailers["grpc-status-details-bin"] == text.encode()
    assert trailers["x-why"] == "asked"


def test_unknown_method(channel):
    error = fails(lambda: channel.unary_unary("/no.Such/Method")(b"", timeout=SECONDS))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("size", [4 * MIB, 20 * MIB])
def test_large_messages(channel, size):
    message = os.urandom(MIB) * (size // MIB)
    assert channel.unary_unary("/t.Echo/Unary")(message, timeout=SECONDS) == message


def test_many_at_once(channel):
    call = channel.unary_unary("/t.Echo/Unary")
    futures = [call.future(b"%d" % i, timeout=SECONDS) for i in range(300)]
    assert [future.result() for future in futures] == [b"%d" % i for i in range(300)]


def test_goaway_then_a_new_connection(echo, channel):
    call = channel.unary_unary("/t.Echo/Unary")
    echo.order('arm "fault": "GOAWAY"')
    assert call(b"one", timeout=SECONDS) == b"one"
    echo.order("disarm")
    for i in range(5):
        assert call(b"%d" % i, timeout=SECONDS, wait_for_ready=True) == b"%d" % i


# How grpc words the error codes of HTTP/2.
@pytest.mark.parametrize("code, status", [
    ("CANCEL", grpc.StatusCode.CANCELLED), ("REFUSED_STREAM", grpc.StatusCode.UNAVAILABLE),
    ("ENHANCE_YOUR_CALM", grpc.StatusCode.RESOURCE_EXHAUSTED), ("INTERNAL_ERROR", grpc.StatusCode.INTERNAL)])
def test_reset_streams(echo, channel, code, status):
    echo.order('arm "fault": { "kind": "RST_STREAM", "code": "%s" }' % code)
    error = fails(lambda: list(channel.unary_stream("/t.Echo/Events")(b"", timeout=SECONDS)))
    assert error.code() == status


def reaches(channel, message):
    """Is it answered?  The library may give the broken connection one more call before it has noticed."""
    try:
        return channel.unary_unary("/t.Echo/Unary")(message, timeout=SECONDS, wait_for_ready=True) == message
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        return False


@pytest.mark.parametrize("fault", ['"fault": "CONNECTION_RESET_BY_PEER"', '"fault": "EMPTY_RESPONSE"',
                                   '"fault": { "kind": "GOAWAY", "code": "INTERNAL_ERROR" }'])
def test_lost_connection_is_unavailable_and_the_next_call_works(echo, channel, fault):
    echo.order("arm " + fault)
    error = fails(lambda: list(channel.unary_stream("/t.Echo/Events")(b"", timeout=SECONDS)))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    echo.order("disarm")
    assert reaches(channel, b"next") or reaches(channel, b"next but one")


def test_missing_trailers_are_an_error(echo, channel):
    echo.order('arm "fault": "cut"')
    error = fails(lambda: list(channel.unary_stream("/t.Echo/Events")(b"", timeout=SECONDS)))
    assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


def test_split_frames_are_the_same_messages(echo, channel):
    echo.order('arm "fault": "split"')
    assert list(channel.unary_stream("/t.Echo/Events")(b"", timeout=SECONDS)) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("http, status", [(503, grpc.StatusCode.UNAVAILABLE), (401, grpc.StatusCode.UNAUTHENTICATED),
                                          (404, grpc.StatusCode.UNIMPLEMENTED)])
def test_http_status_instead_of_grpc(channel, http, status):
    error = fails(lambda: channel.unary_unary("/t.Echo/Http")(b"%d text/html" % http, timeout=SECONDS))
    assert error.code() == status


def test_stop_is_unavailable(echo, channel):
    stream = channel.unary_stream("/t.Echo/Wait")(b"", timeout=SECONDS)
    stream.initial_metadata()
    assert echo.stop() == 0
    error = fails(lambda: next(stream))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "the server is stopping")
