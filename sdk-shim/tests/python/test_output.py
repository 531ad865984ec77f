"""Output: streams, replay, odd bytes, floods.  (n) = check number of the wire page."""

import hashlib
import subprocess

import pytest
from hyperbrowser.exceptions import HyperbrowserError

from conftest import create

FLOOD = "head -c 11500000 /dev/zero | tr '\\0' x"  # 11.5 MB, the replay window is 4 MiB


def split(events):
    """Output events and the exit event; the exit must be the last."""
    events = list(events)
    assert [event.type for event in events].count("exit") == 1
    assert events[-1].type == "exit"
    return events[:-1], events[-1].result


def text(events, kind="stdout"):
    return "".join(event.data for event in events if event.type == kind)


def until(events, marker):
    """Reads until the text ends with `marker`; returns what was read."""
    got = ""
    while not got.endswith(marker):
        event = next(events)
        assert event.type != "exit", f"ended before {marker!r}: {got!r}"
        got += event.data
    return got


def opened(sandbox, process, kind):
    """The two kinds of stream: collected by the starter, or fetched with a GET."""
    return (process if kind == "started" else sandbox.get_process(process.id)).stream()


both = pytest.mark.parametrize("kind", ["started", "fetched"])


# ---- streams


@both
def test_stream_has_rising_seq_and_the_result(sandbox, kind):
    """(37)"""
    process = sandbox.processes.start("read line; echo one; echo two >&2; echo three; exit 5")
    events = opened(sandbox, process, kind)
    process.write_stdin("\n")
    output, result = split(events)
    seqs = [event.seq for event in output]
    assert seqs == list(range(1, len(seqs) + 1))
    assert {event.type for event in output} == {"stdout", "stderr"}
    assert (text(output), text(output, "stderr")) == ("one\nthree\n", "two\n")
    assert (result.id, result.status, result.exit_code) == (process.id, "exited", 5)
    assert (result.stdout, result.stderr) == ("one\nthree\n", "two\n")
    assert all(event.timestamp >= result.started_at - 5 for event in output)


@both
def test_stream_after_the_end_replays(sandbox, kind):
    """(38) And again, the same."""
    process = sandbox.processes.start("echo gone; echo err >&2")
    process.wait()
    first = [event.model_dump() for event in opened(sandbox, process, kind)]
    again = [event.model_dump() for event in opened(sandbox, process, kind)]
    assert first == again
    assert sorted(event["data"] for event in first[:-1]) == ["err\n", "gone\n"]
    assert first[-1]["result"]["exit_code"] == 0


def test_stream_of_a_silent_process_is_its_exit_alone(sandbox):
    """(38)"""
    fetched = sandbox.get_process(sandbox.exec("exit 2").id)
    output, result = split(fetched.stream())
    assert (output, result.exit_code, result.stdout) == ([], 2, "")


def test_stream_is_live(sandbox):
    """(37) Output is there while the process still runs."""
    process = sandbox.processes.start("for i in 1 2 3; do echo $i; read line; done")
    events = sandbox.get_process(process.id).stream()
    for number in "123":
        assert until(events, "\n") == f"{number}\n"
        process.write_stdin("\n")
    assert next(events).type == "exit"


def test_two_readers_get_everything(sandbox):
    process = sandbox.processes.start("echo a; read line; echo b")
    first = sandbox.get_process(process.id).stream()
    second = sandbox.get_process(process.id).stream()
    assert until(first, "\n") == until(second, "\n") == "a\n"
    process.write_stdin("\n")
    assert text(split(first)[0]) == text(split(second)[0]) == "b\n"


def test_reader_that_leaves_disturbs_nobody(sandbox):
    process = sandbox.processes.start("echo a; read line; echo b")
    leaver = sandbox.get_process(process.id).stream()
    assert until(leaver, "\n") == "a\n"
    leaver.close()
    process.write_stdin("\n")
    assert process.wait().stdout == "a\nb\n"


def test_from_seq_is_inclusive(sandbox):
    """(39)"""
    process = sandbox.processes.start("for i in 1 2 3 4; do echo $i; read line; done")
    events = process.stream()
    for number in "1234":
        assert until(events, "\n") == f"{number}\n"
        process.write_stdin("\n")
    process.wait()
    fetched = sandbox.get_process(process.id)
    assert [event.seq for event in split(fetched.stream(from_seq=3))[0]] == [3, 4]
    assert split(fetched.stream(from_seq=99))[0] == []


@pytest.mark.parametrize("start", [None, 0, -1])
def test_from_seq_below_one_is_the_beginning(sandbox, start):
    """(40)"""
    fetched = sandbox.get_process(sandbox.exec("echo all").id)
    assert text(split(fetched.stream(from_seq=start))[0]) == "all\n"


def test_from_seq_behind_the_replay_window_is_gone(sandbox):
    """(41) (53) (54)"""
    process = sandbox.exec(FLOOD)
    assert len(process.stdout) == 11_500_000
    with pytest.raises(HyperbrowserError) as caught:
        list(sandbox.get_process(process.id).stream(from_seq=1))
    error = caught.value
    assert (error.status_code, error.code) == (410, "replay_window_expired")
    assert (error.service, error.retryable) == ("runtime", False)
    assert "Replay window expired" in str(error)
    assert error.request_id


def test_stream_without_from_seq_begins_with_the_oldest_kept(sandbox):
    """(60) What is left of a flood is its tail, and no less than the window."""
    process = sandbox.exec(FLOOD + "; echo the-end")
    output, result = split(sandbox.get_process(process.id).stream())
    kept = text(output)
    assert 3 * 1024 * 1024 < len(kept) <= 11_500_008
    assert kept.endswith("xthe-end\n")
    seqs = [event.seq for event in output]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert result.exit_code == 0


def test_wait_for_a_flood_is_honest(sandbox):
    """(48) (60) A fetched wait has only the kept tail: this SDK calls that incomplete."""
    process = sandbox.exec(FLOOD)
    try:
        assert len(sandbox.get_process(process.id).wait().stdout) == 11_500_000
    except HyperbrowserError as error:
        assert error.code == "incomplete_output"


def test_output_beyond_the_client_s_limit_is_an_error(sandbox):
    """(49)"""
    with pytest.raises(HyperbrowserError) as caught:
        sandbox.exec("head -c 2000 /dev/zero", max_output_bytes=1000)
    assert caught.value.code == "output_limit_exceeded"


def test_disconnect_leaves_the_process_alone(sandbox):
    """(51)"""
    process = sandbox.processes.start("echo up; read line; echo went-on > proof; cat proof")
    assert until(process.stream(), "\n") == "up\n"
    process.disconnect()
    with pytest.raises(HyperbrowserError) as caught:
        process.wait()
    assert caught.value.code == "incomplete_output"
    fetched = sandbox.get_process(process.id)
    assert fetched.status == "running"
    fetched.write_stdin("\n")
    assert fetched.wait().stdout == "up\nwent-on\n"


@both
def test_quiet_stream_outlives_the_request_timeout(server, connect, kind):
    """(52)"""
    sandbox = create(connect(server, timeout=1))
    process = sandbox.processes.start("sleep 1.5; echo late")
    assert text(split(opened(sandbox, process, kind))[0]) == "late\n"
    sandbox.stop()


# ---- odd bytes


ODD = {
    "four-byte emoji": "😀🧑‍🚀",
    "line separators": "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg",
    "nul": "a\x00b",
    "escape": "\x1b[31mred\x1b[0m",
    "bom": "\ufeffx",
    "quotes": "\"\\/'",
    "crlf": "one\r\ntwo\rthree",
    "accents": "é€ñ中",
}


def printf(raw):
    return "printf '" + "".join(f"\\{byte:03o}" for byte in raw) + "'"


@pytest.mark.parametrize("name", ODD)
def test_odd_characters_arrive(sandbox, name):
    """(44)"""
    result = sandbox.exec(printf(ODD[name].encode()))
    assert result.stdout == ODD[name]
    fetched = sandbox.get_process(result.id)
    assert fetched.wait().stdout == ODD[name]
    output, exit_result = split(fetched.stream())
    assert text(output) == exit_result.stdout == ODD[name]


@pytest.mark.parametrize(
    "raw, shown",
    [
        (b"a\xffb", "a\ufffdb"),
        (b"\xc3", "\ufffd"),  # the first half of a character, and no more
        (b"\xe2\x82\n", "\ufffd\n"),
        (b"ok\xf0\x9f\x98", "ok\ufffd"),
    ],
)
def test_bytes_that_are_no_text_become_replacement_characters(sandbox, raw, shown):
    """(50)"""
    result = sandbox.exec(printf(raw) + "; " + printf(raw) + " >&2")
    assert (result.stdout, result.stderr) == (shown, shown)
    fetched = sandbox.get_process(result.id)
    assert (fetched.wait().stdout, fetched.wait().stderr) == (shown, shown)
    output, _ = split(fetched.stream())
    assert (text(output), text(output, "stderr")) == (shown, shown)


@both
def test_character_split_over_two_writes_arrives_whole(sandbox, kind):
    """(45) (50) The first half is read before the second is written."""
    process = sandbox.processes.start("printf 'go\\342\\202'; read line; printf '\\254!'")
    events = opened(sandbox, process, kind)
    got = until(events, "go")
    process.write_stdin("\n")
    output, result = split(events)
    assert got + text(output) == result.stdout == "go€!"


def test_halves_of_a_character_on_different_streams_stay_apart(sandbox):
    result = sandbox.exec("printf '\\303'; printf '\\303' >&2; printf '\\251'; printf '\\251' >&2")
    assert (result.stdout, result.stderr) == ("é", "é")


# ---- floods


def test_floods_on_both_streams_arrive_whole(sandbox):
    result = sandbox.exec("seq 1 200000 >&2 & seq 1 200000; wait")
    numbers = "".join(f"{number}\n" for number in range(1, 200_001))
    assert (result.stdout, result.stderr) == (numbers, numbers)


def test_giant_line_arrives_whole(sandbox):
    result = sandbox.exec("head -c 8000000 /dev/zero | tr '\\0' y")
    assert result.stdout == "y" * 8_000_000


HUNDRED_MB = 100 * 1024 * 1024
# Every line differs, so a lost, doubled or moved piece changes the digest.
HUNDRED_MB_COMMAND = f"seq 10000000 99999999 | head -c {HUNDRED_MB}"


@pytest.fixture(scope="module")
def hundred_mb_digest():
    command = ["bash", "-c", f"{HUNDRED_MB_COMMAND} | sha256sum"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()[0]


@pytest.mark.slow(120)
def test_hundred_megabytes_are_collected_byte_for_byte(sandbox, hundred_mb_digest):
    """The SDK's own limit, 64 MiB, is raised with `max_output_bytes`."""
    result = sandbox.exec(HUNDRED_MB_COMMAND, max_output_bytes=2 * HUNDRED_MB)
    assert (result.status, result.exit_code, len(result.stdout)) == ("exited", 0, HUNDRED_MB)
    assert hashlib.sha256(result.stdout.encode()).hexdigest() == hundred_mb_digest


@pytest.mark.slow(120)
def test_hundred_megabytes_are_streamed_byte_for_byte(sandbox, hundred_mb_digest):
    """A fetched handle reads them live, whatever the replay window keeps."""
    process = sandbox.processes.start(f"echo ready; read line; {HUNDRED_MB_COMMAND}")
    process.disconnect()
    fetched = sandbox.get_process(process.id)
    events = fetched.stream()
    assert until(events, "\n") == "ready\n"
    fetched.write_stdin("\n")  # only now: the stream is there before the flood
    digest, size, seq = hashlib.sha256(), 0, 1
    for event in events:
        if event.type == "exit":
            break
        digest.update(event.data.encode())
        size += len(event.data)
        seq += 1
        assert event.seq == seq
    assert (event.type, event.result.exit_code, size) == ("exit", 0, HUNDRED_MB)
    assert digest.hexdigest() == hundred_mb_digest
