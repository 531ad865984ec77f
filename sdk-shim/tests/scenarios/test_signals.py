"""Signals and kills: delivered, ignored, lied about."""

from library import Call, drain, first, refused, scenario, shown


def listening(lane, word="listening\n"):
    process = lane.start("demo-server")
    assert first(lane.fetch(process).stream()) == word
    return process


@scenario("kill-lies")
def test_the_next_look_tells_that_kill_lied(lane):
    process = listening(lane)
    fetched = lane.fetch(process)
    error = refused(lambda: fetched.kill(timeout_ms=50))
    assert (error.status_code, fetched.status) == (408, "killed")  # what DELETE answered
    assert lane.fetch(process).status == "running"
    truth = lane.truth(process)
    assert (truth["state"], truth["end"], truth["signals"]) == ("running", None, [])
    assert lane.count_requests("process.kill") == 1
    assert process.kill().status == "killed"


@scenario("kill-term-ignored")
def test_an_ignored_term_leaves_the_process_running(lane):
    process = listening(lane)
    process.signal("TERM")
    assert process.status == lane.fetch(process).status == "running"
    assert [entry["signal"] for entry in lane.truth(process)["signals"]] == ["TERM"]
    assert process.kill().status == "killed"
    assert lane.truth(process)["end"]["signal"] == "KILL"


@scenario("kill-trap-exits-5")
def test_the_programs_own_code_and_last_words_count(lane):
    process = listening(lane)
    process.signal("TERM")
    result = process.wait()
    assert (result.status, result.exit_code) == ("exited", 5)
    assert (result.stdout, result.stderr) == ("listening\n", "cleaning up\n")


@scenario("kill-tree")
def test_kill_takes_the_whole_tree(lane):
    process = lane.start("process-tree")
    assert first(lane.fetch(process).stream()) == "grown\n"
    lane.await_alive("child", "own-session", "orphan")
    assert process.kill().status == "killed"
    assert lane.alive() == []


@scenario("kill-after-exit")
def test_a_late_kill_changes_nothing(lane):
    process = lane.start("quick-job")
    process.wait()
    fetched = lane.fetch(process)
    for _ in range(2):
        result = fetched.kill()
        assert (result.status, result.exit_code, result.stdout) == ("exited", 3, "over\n")
    assert "signalled" not in lane.facts(process)


@scenario("kill-races-exit")
def test_kill_and_exit_at_once_have_one_outcome(lane):
    process = lane.start("photo-finish")
    lane.await_sleeper()
    kill = Call(lane.fetch(process).kill)
    lane.await_request("process.kill")
    lane.advance(1_000)
    # The kill's delay may be reckoned from a moment behind that.
    result = kill.result(nudge=lambda: lane.advance(1_000))
    assert (result.status, result.exit_code) in [("exited", 0), ("killed", None)]
    assert result.status == process.wait().status == lane.fetch(process).status
    assert result.stdout == process.wait().stdout
    assert [entry.status for entry in lane.processes.list().data] == [result.status]


@scenario("kill-while-waiting")
def test_kill_settles_waits_and_streams(lane):
    process = listening(lane)
    wait = Call(lane.fetch(process).wait)
    stream = Call(lambda: drain(lane.fetch(process).stream()))
    lane.await_request("process.wait")
    lane.await_request("process.stream", count=2)  # with that of `listening`
    assert process.kill().status == "killed"
    assert wait.result().status == "killed"
    events, error = stream.result()
    assert error is None
    assert (events[-1].type, events[-1].result.status) == ("exit", "killed")


@scenario("signal-not-delivered")
def test_a_signal_that_never_came_shows_only_later(lane):
    process = listening(lane)
    process.signal("TERM")  # the SDK cannot know
    assert lane.fetch(process).status == "running"
    assert lane.truth(process)["signals"] == []
    process.signal("TERM")
    assert process.wait().exit_code == 0


@scenario("signal-unknown-name")
def test_an_unknown_signal_is_refused(lane):
    process = listening(lane)
    error = refused(lambda: process.signal("BOGUS"))
    assert (error.status_code, error.retryable) == (400, False)
    assert "BOGUS" in str(error)
    assert "signalled" not in lane.facts(process)
    assert process.kill().status == "killed"


@scenario("signal-grandchild-lives")
def test_the_leaders_end_is_told_while_its_child_lives(lane):
    process = listening(lane, "worker up\n")
    process.signal("TERM")
    result = process.wait()
    assert (result.status, result.stdout) == ("killed", "worker up\n")
    assert lane.truth(process)["end"]["signal"] == "TERM"
    assert lane.alive() == ["worker"]
