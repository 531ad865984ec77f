"""Odd bytes, pieces, floods, and streams that are not what they should be."""

import pytest

from library import drain, first, refused, scenario, shown, text


def both_ways(lane, process):
    """The output as the starter collected it, and as a reader who comes later gets it."""
    return process.wait().stdout, text(lane.fetch(process).stream())


@scenario("out-split-utf8")
def test_a_character_cut_by_two_writes_is_shown(lane):
    process = lane.start("print-price")
    lane.open("other-half")
    assert both_ways(lane, process) == ("5 €\n", "5 €\n")
    assert lane.facts(process).count("out") == 2


@scenario("out-split-every-byte")
def test_byte_by_byte_nothing_is_lost(lane):
    assert lane.exec("print-menu").stdout == "na\u00efve caf\u00e9 \u2014 5 \u20ac \U0001f600\n"


@scenario("out-halves-on-both-streams")
def test_each_stream_has_a_decoder_of_its_own(lane):
    process = lane.start("two-voices")
    lane.open("other-halves")
    result = process.wait()
    assert (result.stdout, result.stderr) == ("€", "é")
    events = list(lane.fetch(process).stream())
    assert (text(events), text(events, "stderr")) == ("€", "é")


@scenario("out-half-character-at-exit")
def test_an_unfinished_character_is_a_mark_at_the_end(lane):
    process = lane.start("cut-short")
    assert both_ways(lane, process) == ("ok \ufffd", "ok \ufffd")


@scenario("out-invalid-utf8")
def test_what_is_no_utf8_is_a_mark_in_its_place(lane):
    process = lane.start("print-noise")
    assert both_ways(lane, process) == ("a\ufffdb\n", "a\ufffdb\n")


@scenario("out-line-separators")
def test_odd_line_ends_stay_inside_the_event(lane):
    process = lane.start("print-odd-lines")
    line = "a\u2028b\u2029c\u0085d\u000be\u000cf\n"
    assert both_ways(lane, process) == (line, line)


@scenario("out-nul-and-colours")
def test_nul_and_colours_are_unchanged(lane):
    process = lane.start("print-colours")
    line = "a\0b \x1b[31mred\x1b[0m \ufeffend\n"
    assert both_ways(lane, process) == (line, line)


@scenario("out-crlf-apart")
def test_cr_and_lf_in_two_pieces_are_both_there(lane):
    process = lane.start("print-dos")
    lane.open("line-feed")
    assert both_ways(lane, process) == ("one\r\ntwo\rthree\n", "one\r\ntwo\rthree\n")


@scenario("out-no-final-newline")
def test_the_last_line_is_as_it_was_written(lane):
    process = lane.start("prompt")
    assert both_ways(lane, process) == ("first\nlast, without newline", "first\nlast, without newline")


@scenario("out-only-newlines")
def test_two_newlines_are_two_newlines(lane):
    process = lane.start("print-blank")
    assert both_ways(lane, process) == ("\n\n", "\n\n")


@scenario("out-split-readiness")
def test_readiness_is_in_the_joined_text(lane):
    process = lane.start("demo-server")
    events = lane.fetch(process).stream()
    pieces = [first(events)]
    lane.open("rest")
    pieces.append(first(events))
    assert not any("listening on" in piece for piece in pieces)
    assert "listening on 3000" in "".join(pieces)
    assert process.kill().status == "killed"


@scenario("out-giant-line")
def test_a_giant_line_is_whole(lane):
    assert lane.exec("print-giant").stdout == "0123456789abcdef" * 131_072


@scenario("out-flood-both")
def test_two_floods_do_not_stop_each_other(lane):
    result = lane.exec("flood")
    assert result.stdout == "out-flood" * 65_536
    assert result.stderr == "err-flood" * 65_536


@scenario("out-grandchild-holds-pipe")
def test_the_result_comes_with_the_exit(lane):
    result = lane.exec("start-daemon")
    assert (result.status, result.exit_code, result.stdout) == ("exited", 0, "daemon started\n")
    lane.await_alive("daemon")
    assert lane.truth(result)["outputHeld"]


@scenario("out-after-exit")
def test_late_output_gets_into_no_other_result(lane):
    early = lane.start("start-late-writer")
    assert early.wait().stdout == "early\n"
    lane.open("late")
    result = lane.exec("next-job")
    assert (result.stdout, result.stderr) == ("next\n", "")
    assert lane.fetch(early).wait().stdout == "early\n"


@scenario("out-duplicate-event")
def test_an_event_that_comes_twice_is_noticed(lane):
    process = lane.start("count-up")
    error = refused(process.wait)
    assert shown(error) == (None, "incomplete_output", False)
    assert "sequence gap" in str(error)
    lane.open("two")
    assert text(lane.fetch(process).stream()) == "one\ntwo\n"


@scenario("out-reordered-events")
def test_events_that_change_places_are_noticed(lane):
    process = lane.start("count-up")
    lane.open("two")
    error = refused(process.wait)
    assert shown(error) == (None, "incomplete_output", False)
    assert "sequence gap" in str(error)
    assert text(lane.fetch(process).stream()) == "one\ntwo\n"


@scenario("out-replay-window-gone")
def test_what_is_not_kept_any_more_is_gone(lane):
    process = lane.start("chatty")
    assert len(process.wait().stdout) == 64 * 98_304
    error = refused(lambda: next(lane.fetch(process).stream(from_seq=1)))
    assert shown(error) == (410, "replay_window_expired", False)
    assert "Replay window expired" in str(error)


@scenario("out-truncated-result")
def test_a_tail_is_not_taken_for_the_whole(lane):
    process = lane.start("chatty")
    assert process.wait().stdout.startswith("the beginning\n")
    error = refused(lane.fetch(process).wait)
    assert shown(error) == (None, "incomplete_output", False)
    assert "incomplete" in str(error)


@scenario("out-cap-keeps-what-came")
def test_what_came_before_the_cap_stays_readable(lane):
    process = lane.start("chatty", max_output_bytes=1_000)
    lane.open("more")
    assert shown(refused(process.wait)) == (None, "output_limit_exceeded", False)
    events, error = drain(process.stream())
    assert text(events).startswith("the beginning\n")
    assert error.code == "output_limit_exceeded"
    assert lane.await_process(process, state="finished")["end"]["code"] == 0
