"""Sandboxes that stop, vanish, or only say so."""

from library import Call, create, drain, first, refused, scenario, shown, text


def listening(lane, word="listening\n"):
    process = lane.start("demo-server")
    assert first(lane.fetch(process).stream()) == word
    return process


@scenario("box-stopped-mid-exec")
def test_stopping_the_box_settles_everybody(lane):
    process = listening(lane, "working\n")
    wait = Call(lane.fetch(process).wait)
    stream = Call(lambda: drain(lane.fetch(process).stream()))
    lane.await_request("process.wait")
    lane.await_request("process.stream", count=2)
    lane.sandbox.stop()
    assert process.wait().status == wait.result().status == "killed"
    events, error = stream.result()
    assert error is None
    assert text(events) == "working\n"
    assert events[-1].result.status == "killed"
    assert lane.alive() == []


@scenario("box-gone")
def test_not_found_is_final(lane):
    error = refused(lambda: lane.client().sandboxes.get(lane.sandbox.id))
    assert shown(error) == (404, "sandbox_not_found", False)
    assert error.service == "control"
    assert lane.count_requests("sandbox.get") == 1


@scenario("box-unhealthy-502")
def test_a_dead_daemon_fails_each_call_soon(lane):
    for _ in range(3):
        error = refused(lambda: lane.exec("demo-job"))
        assert shown(error) == (502, None, True)
        assert "bad gateway" in str(error)
    assert lane.count_requests("process.start") == 3
    assert lane.client().sandboxes.get(lane.sandbox.id).status == "active"


@scenario("box-create-lost-reply")
def test_a_lost_reply_to_create_is_not_repeated(lane):
    error = refused(lambda: create(lane.client()))
    assert shown(error) == (None, None, True)
    assert lane.count_requests("sandbox.create") == 1
    assert [sandbox["state"] for sandbox in lane.sandboxes()] == ["active"]
    (left,) = lane.client().sandboxes.list().sandboxes
    assert left.status == "active"


@scenario("box-stop-lies")
def test_the_next_look_tells_that_stop_lied(lane):
    process = listening(lane)
    lane.sandbox.stop()
    assert lane.sandbox.status == "closed"
    again = lane.client().sandboxes.get(lane.sandbox.id)
    assert again.status == "active"
    assert lane.truth(process)["state"] == "running"
    again.stop()
    assert lane.client().sandboxes.get_detail(again.id).status == "closed"
    assert lane.alive() == []


@scenario("box-term-ignored")
def test_a_box_that_ignores_polite_signals_stops_soon(lane):
    process = listening(lane)
    lane.sandbox.stop()
    assert process.wait().status == "killed"
    assert lane.alive() == []


@scenario("box-stopped-while-queued")
def test_a_queued_start_ends_with_its_box(lane):
    process = lane.start("demo-server")
    assert process.status == "queued"
    lane.sandbox.stop()
    assert process.wait().status in ("failed", "killed")
    lane.advance(60_000)
    assert "started" not in lane.facts(process)
    assert lane.alive() == []


@scenario("box-streams-abandoned")
def test_streams_that_are_left_disturb_nobody(lane):
    process = listening(lane)
    for _ in range(30):
        events = lane.fetch(process).stream()
        assert first(events) == "listening\n"
        events.close()
    lane.open("finish")
    assert process.wait().stdout == "listening\nfinished\n"
