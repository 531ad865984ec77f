"""Input that is ended, refused, lost, or never read."""

from library import first, refused, scenario, shown


@scenario("in-order-many")
def test_many_small_writes_keep_their_order(lane):
    process = lane.start("repeater")
    for number in range(40):
        process.write_stdin(f"{number}\n")
    process.write_stdin("last", eof=True)
    assert process.wait().stdout == "".join(f"{number}\n" for number in range(40)) + "last"


@scenario("in-eof-twice")
def test_a_second_end_is_refused_and_changes_nothing(lane):
    process = lane.start("sorter")
    process.write_stdin("b\na\n", eof=True)
    error = refused(lambda: process.write_stdin(eof=True))
    assert (error.status_code, error.retryable) == (409, False)
    lane.open("finish")
    result = process.wait()
    assert (result.stdout, result.exit_code) == ("b\na\nsorted\n", 0)


@scenario("in-after-exit")
def test_writing_to_a_process_that_is_over_is_refused(lane):
    process = lane.start("quick-job")
    process.wait()
    error = refused(lambda: process.write_stdin("hello?\n"))
    assert (error.status_code, error.retryable) == (409, False)
    assert lane.count_requests("process.stdin") == 1
    result = lane.fetch(process).wait()
    assert (result.stdout, result.exit_code) == ("gone\n", 0)


@scenario("in-closed-early")
def test_a_program_that_closes_its_input_works_on(lane):
    process = lane.start("deaf-worker")
    assert first(lane.fetch(process).stream()) == "not listening\n"
    lane.admin.post("/barriers/wait", name="finish", timeout_ms=20_000)
    error = refused(lambda: process.write_stdin("x" * 100_000, eof=True))
    assert (error.status_code, error.retryable) == (409, False)
    lane.open("finish")
    result = process.wait()
    assert (result.status, result.exit_code, result.stdout) == ("exited", 2, "not listening\nfinished\n")


@scenario("in-never-read")
def test_a_write_that_nobody_reads_ends_by_itself(lane):
    process = lane.start("deaf-worker")
    process.write_stdin("x" * 2_000_000)  # fills the pipe, and the server's patience
    error = refused(lambda: process.write_stdin("x"))
    assert (error.status_code, error.retryable) == (408, False)
    assert "timed out" in str(error)
    assert first(lane.fetch(process).stream()) == "busy\n"
    assert process.kill().status == "killed"


@scenario("in-binary")
def test_odd_bytes_arrive_unchanged(lane):
    data = bytes(range(128)) + "é€😀\u2028".encode()
    process = lane.start("repeater")
    process.write_stdin(data, eof=True)
    assert process.wait().stdout == data.decode()


@scenario("in-lost-reply")
def test_a_lost_answer_does_not_double_the_input(lane):
    process = lane.start("repeater")
    error = refused(lambda: process.write_stdin("once\n"))
    assert shown(error) == (None, None, True)
    assert lane.count_requests("process.stdin") == 1
    process.write_stdin(eof=True)
    assert process.wait().stdout == "once\n"


@scenario("in-swallowed")
def test_input_that_was_swallowed_is_in_no_fact(lane):
    process = lane.start("repeater")
    process.write_stdin("lost\n")  # the SDK cannot know
    process.write_stdin("kept, all of it\n", eof=True)
    assert process.wait().stdout == "kept, all of it\n"
    inputs = [fact["input"]["data"] for fact in lane.log(process) if fact["fact"] == "stdin"]
    assert inputs == ["kept, all of it\n"]
