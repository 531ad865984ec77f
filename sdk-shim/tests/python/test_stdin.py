"""Standard input of a started process.  (n) = check number of the wire page."""

import hashlib

import pytest

from conftest import refusal


def test_text_arrives_as_utf8(sandbox):
    """(35) (36)"""
    process = sandbox.processes.start("cat")
    process.write_stdin("é😀\n")
    process.write_stdin("second\n", eof=True)
    assert process.wait().stdout == "é😀\nsecond\n"


def test_bytes_arrive_unchanged(sandbox):
    """(35)"""
    process = sandbox.processes.start("od -An -v -tx1 | tr -d ' \\n'")
    process.write_stdin(bytes(range(256)), eof=True)
    assert process.wait().stdout == bytes(range(256)).hex()


def test_text_that_says_base64_arrives_decoded(sandbox):
    """(35)"""
    process = sandbox.processes.start("cat")
    process.write_stdin("aGVsbG8=", encoding="base64", eof=True)
    assert process.wait().stdout == "hello"


def test_eof_alone_ends_the_input(sandbox):
    """(35) (36)"""
    process = sandbox.processes.start("cat; echo ended")
    process.write_stdin("x\n")
    process.write_stdin(eof=True)
    assert process.wait().stdout == "x\nended\n"


def test_input_after_eof_or_after_the_end_is_refused(sandbox):
    process = sandbox.processes.start("cat; read -r line; sleep 300")
    process.write_stdin("", eof=True)
    assert refusal(lambda: process.write_stdin("late")).status_code == 409
    process.kill()
    assert refusal(lambda: process.write_stdin("later")).status_code == 409


def test_broken_base64_is_refused_as_a_whole(sandbox):
    process = sandbox.processes.start("cat")
    assert refusal(lambda: process.write_stdin("%%%", encoding="base64")).status_code == 400
    process.write_stdin("fine", eof=True)
    assert process.wait().stdout == "fine"


@pytest.mark.slow(120)
def test_five_megabytes_arrive_unchanged(sandbox):
    data = b"".join(b"%d\n" % number for number in range(800_000))[: 5 * 1024 * 1024]
    process = sandbox.processes.start("sha256sum")
    process.write_stdin(data, eof=True)
    assert process.wait().stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_input_too_large_for_one_request_is_refused_as_a_whole(sandbox):
    """413, which the client reads although it is still sending."""
    process = sandbox.processes.start("wc -c")
    assert refusal(lambda: process.write_stdin(bytes(32 * 1024 * 1024))).status_code == 413
    process.write_stdin("fits", eof=True)
    assert process.wait().stdout.strip() == "4"


def test_many_pieces_keep_their_order(sandbox):
    process = sandbox.processes.start("cat")
    lines = [f"{number}\n" for number in range(50)]
    for line in lines:
        process.write_stdin(line)
    process.write_stdin(eof=True)
    assert process.wait().stdout == "".join(lines)
