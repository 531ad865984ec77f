"""Starts that fail, come late, are refused, or whose answer is lost."""

import pytest

from library import refused, scenario, shown


@scenario("start-missing-program")
def test_missing_program_is_a_failed_start_with_its_reason(lane):
    result = lane.exec("missing-tool")
    assert (result.status, result.exit_code, result.stdout) == ("failed", None, "")
    assert "No such file or directory" in result.error
    assert lane.exec("echo fine").stdout == "fine\n"


@scenario("start-not-executable")
def test_a_file_that_may_not_be_run_is_a_failed_start(lane):
    result = lane.exec("./notes.txt --help")
    assert (result.status, result.exit_code) == ("failed", None)
    assert "Permission denied" in result.error


@scenario("start-missing-cwd")
def test_missing_cwd_is_said_and_nothing_stays_running(lane):
    result = lane.exec("echo here", cwd="/tmp/gone")
    assert (result.status, result.exit_code) == ("failed", None)
    assert "No such file or directory" in result.error
    assert lane.processes.list(status="running").data == []


@scenario("start-argument-too-long")
def test_too_long_an_argument_fails_alone(lane):
    result = lane.exec("bundle " + "x" * 200_000)
    assert result.status == "failed"
    assert "Argument list too long" in result.error
    assert lane.exec("echo-next").stdout == "next\n"


@scenario("start-fails-after-accept")
def test_a_start_that_fails_late_ends_the_wait(lane):
    process = lane.start("demo-server")
    assert process.status == "queued"
    assert lane.fetch(process).status == "queued"
    lane.advance(60_000)
    result = process.wait()
    assert (result.status, result.exit_code) == ("failed", None)
    assert "Resource temporarily unavailable" in result.error
    assert lane.fetch(process).wait().status == "failed"
    assert "started" not in lane.facts(process)


@scenario("start-slow")
def test_queued_is_shown_and_waited_for(lane):
    process = lane.start("demo-server")
    assert [entry.status for entry in lane.processes.list().data] == ["queued"]
    with pytest.raises(TimeoutError):
        process.wait(timeout_ms=50)
    lane.advance(29_999)
    assert lane.fetch(process).status == "queued"
    lane.advance(1)
    result = process.wait()
    assert (result.status, result.exit_code, result.stdout) == ("exited", 0, "listening\n")


@scenario("start-lost-reply")
def test_a_lost_reply_to_a_start_runs_the_command_once(lane):
    error = refused(lambda: lane.start("deploy-once"))
    assert shown(error) == (None, None, True)  # "retryable": the caller decides
    lane.await_fact("ended", command="deploy-once")
    assert lane.count_requests("process.start") == 1
    (process,) = lane.all_processes()
    assert process["end"]["code"] == 0


@scenario("start-retry-5xx")
def test_503_is_left_to_the_caller_and_runs_nothing(lane):
    for _ in range(2):
        error = refused(lambda: lane.exec("demo-job"))
        assert shown(error)[::2] == (503, True)
        assert "waking up" in str(error)
        assert error.response.headers["retry-after"] == "1"
    assert lane.all_processes() == []
    assert lane.exec("demo-job").stdout == "ran\n"
    assert len(lane.all_processes()) == 1


@scenario("start-error-after-run")
def test_502_after_the_start_is_not_repeated_behind_the_callers_back(lane):
    error = refused(lambda: lane.exec("deploy-once"))
    assert shown(error)[::2] == (502, True)
    lane.await_fact("ended", command="deploy-once")
    assert lane.count_requests("process.start") == 1
    assert len(lane.all_processes()) == 1


@scenario("start-throttled")
def test_429_carries_its_delay_to_the_caller(lane):
    error = refused(lambda: lane.exec("demo-job"))
    assert shown(error) == (429, "rate_limited", True)
    assert error.response.headers["retry-after"] == "2"
    assert lane.exec("demo-job").stdout == "ran\n"


@scenario("start-permanent-500")
def test_500_is_final(lane):
    error = refused(lambda: lane.exec("demo-job"))
    assert shown(error) == (500, "boot_failed", False)
    assert "image is corrupt" in str(error)
    assert lane.count_requests("process.start") == 1


@scenario("start-token-expired")
def test_an_expired_token_costs_one_refresh_and_one_run(lane):
    assert lane.exec("demo-job").stdout == "ran\n"
    assert lane.count_requests("sandbox.get") == 1
    assert lane.count_requests("process.start") == 2
    assert len(lane.all_processes()) == 1


@scenario("start-token-refused-twice")
def test_the_second_401_is_the_answer(lane):
    error = refused(lambda: lane.exec("demo-job"))
    assert shown(error) == (401, "token_revoked", False)
    assert lane.count_requests("process.start") == 2
    assert lane.count_requests("sandbox.get") == 1


@scenario("start-box-gone")
def test_a_box_that_ended_is_a_typed_error(lane):
    error = refused(lambda: lane.exec("demo-job"))
    assert shown(error) == (409, "sandbox_not_running", False)
    assert lane.count_requests("process.start") == 1
