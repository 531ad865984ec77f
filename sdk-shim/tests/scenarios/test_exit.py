"""How processes end, and what is said about it."""

import pytest
from pydantic import ValidationError

from library import Call, drain, refused, scenario, shown, text


@scenario("exit-lost-terminal")
def test_an_end_without_the_exit_is_an_error(lane):
    process = lane.start("demo-job")
    error = refused(process.wait)
    assert shown(error) == (None, "incomplete_output", False)
    assert "before its completion event" in str(error)
    events, _ = drain(process.stream())
    assert text(events) == "half of it\n"
    assert lane.fetch(process).wait().exit_code == 3


@scenario("exit-fabricated")
def test_a_made_up_exit_is_undone_by_the_next_look(lane):
    process = lane.start("demo-server")
    told = process.wait()
    assert (told.status, told.exit_code, told.stdout) == ("exited", 0, "working\n")  # nobody could know
    assert lane.fetch(process).status == "running"
    truth = lane.truth(process)
    assert (truth["state"], truth["end"]) == ("running", None)
    assert truth["hostPid"] is not None
    assert lane.fetch(process).kill().status == "killed"


@scenario("exit-without-code")
def test_no_code_is_not_0(lane):
    process = lane.start("demo-job")
    result = lane.fetch(process).wait()
    assert (result.status, result.exit_code) == ("exited", None)
    assert process.wait().exit_code == 3


@scenario("exit-by-crash")
def test_a_crash_is_settled_at_once_and_not_0(lane):
    process = lane.start("crasher")
    result = process.wait()
    assert (result.status, result.exit_code, result.stdout) == ("killed", None, "before\n")
    end = lane.truth(process)["end"]
    assert (end["kind"], end["signal"]) == ("died", "SEGV")


@scenario("exit-137-by-itself")
def test_exit_137_and_killed_do_not_look_alike(lane):
    exited, killed = lane.exec("exits-with-137"), lane.exec("killed-by-nine")
    assert (exited.status, exited.exit_code) == ("exited", 137)
    assert (killed.status, killed.exit_code) == ("killed", None)
    assert lane.truth(exited)["waitStatus"] == 137 << 8
    assert lane.truth(killed)["waitStatus"] == 9


@scenario("exit-nonzero-is-result")
def test_a_non_zero_exit_is_a_result(lane):
    result = lane.exec("failing-tests")
    assert (result.status, result.exit_code) == ("exited", 7)
    assert (result.stdout, result.stderr) == ("2 of 9 failed\n", "see the log\n")


@scenario("exit-attach-late")
def test_a_late_reader_gets_history_and_end(lane):
    process = lane.start("quick-job")
    process.wait()
    events, error = drain(lane.fetch(process).stream())
    assert error is None
    assert (text(events), text(events, "stderr")) == ("one\n", "two\n")
    assert (events[-1].type, events[-1].result.exit_code) == ("exit", 9)


@scenario("exit-wait-many")
def test_all_waiters_get_the_same_answer(lane):
    process = lane.start("demo-job")
    waits = [Call(lane.fetch(process).wait) for _ in range(5)]
    lane.await_request("process.wait", count=5)
    lane.open("finish")
    results = [wait.result() for wait in waits] + [lane.fetch(process).wait(), lane.fetch(process).result()]
    assert all(result == results[0] for result in results)
    assert (results[0].exit_code, results[0].stdout) == (5, "finished\n")


@scenario("exit-status-flaps")
def test_a_look_that_says_running_again_does_not_undo_the_result(lane):
    process = lane.start("quick-job")
    assert process.wait().status == "exited"
    assert lane.fetch(process).status == "running"  # the lie
    assert process.wait().status == process.status == "exited"
    assert lane.fetch(process).status == "exited"


@scenario("exit-unknown-status")
def test_an_unknown_status_is_refused(lane):
    process = lane.start("quick-job")
    with pytest.raises(ValidationError, match="hibernating"):
        lane.fetch(process)
    assert process.wait().status == "exited"


@scenario("exit-forgotten")
def test_a_forgotten_process_is_gone_and_its_result_stays(lane):
    process = lane.start("quick-job")
    found = lane.fetch(process)
    assert found.wait().stdout == "over\n"
    error = refused(lambda: lane.fetch(process))
    assert shown(error) == (404, "process_not_found", False)
    assert (found.status, process.wait().stdout) == ("exited", "over\n")


@scenario("exit-never-completed")
def test_every_final_word_ends_a_poll(lane):
    process = lane.start("demo-job")
    assert lane.fetch(process).status == "running"
    lane.open("die")
    lane.await_process(process, state="finished")
    assert lane.fetch(process).status == "killed"
    assert lane.processes.list(status="exited").data == []
    assert [entry.id for entry in lane.processes.list(status="killed").data] == [process.id]
