"""Processes: run, start, find, wait, signal, feed.  (n) = check number of the wire page."""

import os
import time

import pytest
from hyperbrowser.exceptions import HyperbrowserError

from conftest import TIMED_OUT, create, refusal
from standbox_server import Deadline, eventually

FINAL = {"exited", "failed", "killed", "timed_out"}
LONG = "echo ready; exec sleep 300"


def now_ms():
    return int(time.time() * 1000)


def first_line(process):
    """Waits for the process's first output."""
    return next(process.stream()).data


# ---- exec


def test_exec_fills_every_field(sandbox):
    """(17)"""
    before = now_ms()
    result = sandbox.exec("echo out; echo err >&2")
    assert result.id
    assert (result.status, result.exit_code, result.error) == ("exited", 0, None)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert before - 5 <= result.started_at <= result.completed_at <= now_ms() + 5


def test_a_command_is_scheduled_as_usual(sandbox):
    """The server and its keepers are background work; what a command does must not depend on that."""
    ours = os.sched_getscheduler(0)
    assert sandbox.exec("cut -d' ' -f41 /proc/self/stat").stdout == f"{ours}\n"


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 128, 255])
def test_exit_codes_are_results(sandbox, code):
    """(18)"""
    result = sandbox.exec(f"exit {code}")
    assert (result.status, result.exit_code) == ("exited", code)


def test_missing_and_forbidden_programs_have_the_shell_s_codes(sandbox):
    """(18) The shell's own codes."""
    assert sandbox.exec("no-such-program-here").exit_code == 127
    assert sandbox.exec("touch plain; ./plain").exit_code == 126


def test_output_is_neither_completed_nor_made_up(sandbox):
    assert sandbox.exec("printf tail").stdout == "tail"
    result = sandbox.exec("true")
    assert (result.stdout, result.stderr) == ("", "")


def test_legacy_args_are_quoted_into_the_line(sandbox):
    """The SDK folds them; the shell must take the line apart again."""
    args = ["%s\\n", "a b", "it's", "", "$HOME", "é😀", '"', "*"]
    result = sandbox.exec({"command": "printf", "args": args})
    assert result.stdout == "".join(word + "\n" for word in args[1:])


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "😀", "\t", '"', "\\\\"])
def test_command_with_odd_characters_is_told_back(sandbox, mark):
    """The first event of a start repeats the command: a raw line separator would break it in two."""
    command = f"printf '%s' 'a{mark}b'"
    result = sandbox.exec(command)
    assert result.stdout == f"a{mark}b"
    assert [entry.command for entry in sandbox.processes.list().data] == [command]


@pytest.mark.parametrize("options", [{}, {"env": {"NAME": "a\0b"}}, {"env": {"A=B": "x"}}, {"cwd": "/tmp\0x"}])
def test_what_no_program_can_be_given_is_refused(sandbox, options):
    """Refused as a whole: cut off at the NUL it would be another command."""
    command = "touch ran" if options else "touch ran; echo a\0b"
    assert refusal(lambda: sandbox.exec(command, **options)).status_code == 400
    assert sandbox.exec("test -e ran").exit_code == 1


def test_command_too_long_for_the_kernel_fails_to_start(sandbox):
    result = sandbox.exec("true # " + "x" * 200_000)
    assert (result.status, result.stdout) == ("failed", "")
    assert result.error


def test_environment_is_the_sandbox_s_own(sandbox, monkeypatch):
    lines = sandbox.exec("env", env={"EXTRA": "one two"}).stdout.splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert "EXTRA=one two" in lines
    assert "PATH" in names
    assert not {"STANDBOX_SERVER", "STANDBOX_ISOLATION"} & names, "the server's environment leaked"


def test_environment_takes_odd_values(sandbox):
    result = sandbox.exec('printf "%s|%s|%s" "$A" "$B" "$C"', env={"A": "", "B": "x=y\nz", "C": "é😀"})
    assert result.stdout == "|x=y\nz|é😀"


def test_command_runs_in_the_cwd_asked_for(sandbox):
    assert sandbox.exec("pwd", cwd="/usr").stdout == "/usr\n"


def test_missing_cwd_is_a_failed_start(sandbox):
    result = sandbox.exec("true", cwd="/no/such/folder")
    assert result.status == "failed"
    assert result.error


@pytest.mark.parametrize("limit", [{"timeout_ms": 300}, {"timeout_sec": 1}])
def test_time_limit_ends_the_process(sandbox, limit):
    """(20) (23) No exception; what was printed before is kept."""
    result = sandbox.exec("echo before; sleep 300", **limit)
    assert (result.status, result.stdout) == ("timed_out", "before\n")


def test_time_limit_beats_a_process_that_ignores_term(sandbox):
    """(23)"""
    result = sandbox.exec("trap '' TERM; while :; do sleep 1; done", timeout_ms=300)
    assert result.status == "timed_out"


def test_seconds_win_over_milliseconds(sandbox):
    result = sandbox.exec("sleep 0.5; echo done", timeout_ms=50, timeout_sec=30)
    assert (result.status, result.stdout) == ("exited", "done\n")


def test_time_limit_of_zero_is_no_limit(sandbox):
    assert sandbox.exec("sleep 0.2; echo done", timeout_ms=0).status == "exited"


def test_grandchild_that_holds_stdout_does_not_hold_exec(sandbox):
    """Its shell is gone; exec must not wait for the pipe."""
    deadline = Deadline(10)
    result = sandbox.exec("sleep 60 & echo done")
    assert (result.status, result.stdout) == ("exited", "done\n")
    assert not deadline.over()


def test_python_runs_in_the_sandbox(sandbox):
    result = sandbox.exec("""python3 -c 'import sys; print(6 * 7); sys.exit(5)'""")
    if result.exit_code == 127:
        pytest.skip("no python3 where a sandbox can see it")
    assert (result.stdout, result.exit_code) == ("42\n", 5)


def test_home_can_be_written(sandbox):
    result = sandbox.exec('cd && pwd && echo "$HOME" && touch file && echo ok')
    home, again, word = result.stdout.splitlines()
    assert (home, word) == (again, "ok")


@pytest.mark.namespace
def test_default_user_is_ubuntu_and_root_is_root(sandbox, namespaces):
    who = "whoami; stat -c '%u %g' /proc/self"
    assert sandbox.exec(who).stdout.split() == ["ubuntu", "1000", "1000"]
    assert sandbox.exec(who, run_as="root").stdout.split() == ["root", "0", "0"]
    result = sandbox.exec("true", run_as="no-such-user")
    assert result.status == "failed" and result.error


@pytest.mark.namespace
def test_sudo_needs_no_password(sandbox, namespaces):
    result = sandbox.exec("sudo -n whoami && sudo stat -c %u /proc/self")
    assert (result.stdout.split(), result.stderr) == (["root", "0"], "")


@pytest.mark.namespace
def test_sandbox_sees_only_its_own_processes(sandbox, namespaces):
    shown = sandbox.exec("ls -d /proc/[0-9]* | wc -l").stdout
    assert int(shown) < 10


# ---- start, get, list


def test_start_returns_before_the_end(sandbox):
    """(24)"""
    process = sandbox.processes.start("read line; exit 4")
    assert process.id and process.status in ("queued", "running")
    assert process.to_dict()["pid"] > 0
    process.write_stdin(eof=True)
    assert process.wait().exit_code == 4


def test_process_can_be_fetched_by_id_and_refreshed(sandbox):
    """(25)"""
    process = sandbox.processes.start("read line", cwd="/tmp")
    fetched = sandbox.get_process(process.id)
    summary = fetched.to_dict()
    assert fetched.id == process.id
    assert (summary["command"], summary["cwd"]) == ("read line", "/tmp")
    assert (summary["exit_code"], summary["completed_at"]) == (None, None)
    process.write_stdin(eof=True)
    process.wait()
    ended = fetched.refresh().to_dict()
    assert (ended["status"], ended["exit_code"]) == ("exited", 1)
    assert ended["completed_at"] >= ended["started_at"]


@pytest.mark.parametrize("verb", ["get", "wait", "signal", "kill", "stdin", "stream"])
def test_unknown_process_is_not_found(sandbox, verb):
    """(25) (53) (54)"""
    known = sandbox.get_process(sandbox.exec("true").id)
    known._summary = known._summary.model_copy(update={"id": "proc_unknown"})
    calls = {
        "get": lambda: sandbox.get_process("proc_unknown"),
        "wait": known.wait,
        "signal": lambda: known.signal("TERM"),
        "kill": known.kill,
        "stdin": lambda: known.write_stdin("x"),
        "stream": lambda: list(known.stream()),
    }
    error = refusal(calls[verb])
    assert error.status_code == 404
    assert "not found" in str(error)


@pytest.mark.parametrize("odd", ["a b", "%2e%2e", "é", "x" * 3000])
def test_odd_process_ids_are_unknown(sandbox, odd):
    error = refusal(lambda: sandbox.get_process(odd))
    assert error.status_code == 404
    assert "not found" in str(error)


def test_processes_of_another_sandbox_are_unknown(client, sandbox):
    other = create(client)
    process = sandbox.exec("true")
    assert refusal(lambda: other.get_process(process.id)).status_code == 404
    assert other.processes.list().data == []
    other.stop()


def test_list_filters_processes_by_status(sandbox):
    """(26)"""
    ended = sandbox.exec("true").id
    running = sandbox.processes.start("read line")
    killed = sandbox.exec("kill -KILL $$").id

    def ids(**query):
        return {entry.id for entry in sandbox.processes.list(**query).data}

    assert ids() == {ended, running.id, killed}
    assert ids(status="running") == {running.id}
    assert ids(status=["exited", "killed"]) == {ended, killed}
    assert ids(status="timed_out") == set()
    running.write_stdin(eof=True)
    running.wait()


def test_list_filters_processes_by_time(sandbox):
    """(26)"""
    first = sandbox.exec("true")
    eventually(lambda: now_ms() > first.started_at + 5, 2, "a later millisecond")
    middle = now_ms()
    eventually(lambda: now_ms() > middle + 5, 2, "a later millisecond")
    second = sandbox.exec("true")

    def ids(**query):
        return [entry.id for entry in sandbox.processes.list(**query).data]

    assert ids(created_before=middle) == [first.id]
    assert ids(created_after=middle) == [second.id]


def test_list_pages_through_processes(sandbox):
    """(27)"""
    started = {sandbox.exec("true").id for _ in range(5)}
    seen, cursor = [], None
    for _ in range(10):
        page = sandbox.processes.list(limit=2, cursor=cursor)
        assert len(page.data) <= 2
        seen += [entry.id for entry in page.data]
        cursor = page.next_cursor
        if not cursor:
            break
    assert not cursor
    assert len(seen) == 5 and set(seen) == started


def test_fresh_process_is_on_the_first_page(sandbox):
    for _ in range(25):
        sandbox.exec("true")
    process = sandbox.processes.start("read line")
    assert process.id in [entry.id for entry in sandbox.processes.list(limit=20).data]
    process.write_stdin(eof=True)
    process.wait()


# ---- wait


def test_wait_of_a_started_handle_returns_the_result_every_time(sandbox):
    """(28) (31) (32)"""
    process = sandbox.processes.start("echo out; echo err >&2; exit 6")
    result = process.wait()
    assert (result.status, result.exit_code) == ("exited", 6)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert process.status == "exited"
    assert process.wait() == result
    assert process.result() == result


def test_wait_of_a_fetched_handle_returns_the_result_every_time(sandbox):
    """(28) (31) (32)"""
    process = sandbox.processes.start("read line; echo got:$line; echo e >&2; exit 6")
    fetched = sandbox.get_process(process.id)
    process.write_stdin("word\n")
    result = fetched.wait()
    assert (result.id, result.status, result.exit_code) == (process.id, "exited", 6)
    assert (result.stdout, result.stderr) == ("got:word\n", "e\n")
    assert fetched.status == "exited"
    assert fetched.wait() == result == fetched.result()


@pytest.mark.parametrize("limit", [{"timeout_ms": 200}, {"timeout_sec": 1}])
def test_wait_that_times_out_leaves_the_process_alone(sandbox, limit):
    """(29) (30) The wait ends, the process does not."""
    process = sandbox.processes.start("read line; echo alive")
    with pytest.raises(TIMED_OUT):
        process.wait(**limit)

    fetched = sandbox.get_process(process.id)
    error = refusal(lambda: fetched.wait(**limit))
    assert error.status_code == 408
    assert "timed out" in str(error)

    assert fetched.refresh().status == "running"
    process.write_stdin("\n")
    assert fetched.wait().stdout == "alive\n"
    assert process.wait().stdout == "alive\n"


def test_client_that_gives_up_leaves_the_process_alone(server, connect):
    """(56) The request runs into the client's own limit: retryable, no status."""
    patient = connect(server)
    sandbox = create(patient)
    process = sandbox.processes.start("read line; echo alive")
    hasty = connect(server, timeout=1).sandboxes.get(sandbox.id)
    with pytest.raises(HyperbrowserError) as caught:
        hasty.get_process(process.id).wait()
    assert (caught.value.retryable, caught.value.status_code) == (True, None)
    assert sandbox.get_process(process.id).status == "running"
    process.write_stdin("\n")
    assert process.wait().stdout == "alive\n"
    sandbox.stop()


# ---- signals and kill


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "HUP", "QUIT", "SIGTERM", "term"])
def test_signal_ends_the_process(sandbox, name):
    """(33)"""
    process = sandbox.processes.start(LONG)
    assert first_line(process) == "ready\n"
    # bash ignores QUIT: wait until it has become the program
    comm = f"/proc/{process.to_dict()['pid']}/comm"
    assert sandbox.exec(f"until grep -qx sleep {comm}; do :; done", timeout_sec=60).exit_code == 0
    fetched = sandbox.get_process(process.id)
    fetched.signal(name)
    assert fetched.status in {"running", "killed"}
    assert fetched.wait().status == "killed"
    assert process.wait().status == "killed"


def test_signal_reaches_the_group(sandbox):
    """(33) The shell and its child both end."""
    process = sandbox.processes.start("echo ready; bash -c 'sleep 300; echo child-went-on'; echo on")
    assert first_line(process) == "ready\n"
    process.signal("TERM")
    result = process.wait()
    assert (result.status, result.stdout) == ("killed", "ready\n")


def test_signal_can_be_caught(sandbox):
    """(33)"""
    process = sandbox.processes.start(
        "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    )
    assert first_line(process) == "ready\n"
    process.signal("TERM")
    result = process.wait()
    assert (result.exit_code, result.stdout) == (9, "ready\ncaught\n")
    assert result.status in FINAL


def test_unknown_signal_is_refused(sandbox):
    process = sandbox.processes.start("read line")
    assert refusal(lambda: process.signal("NO-SUCH")).status_code == 400
    assert process.refresh().status == "running"
    process.kill()


def test_kill_ends_the_process_and_returns_its_result(sandbox):
    """(34)"""
    process = sandbox.processes.start(LONG)
    first_line(process)
    assert process.kill().status == "killed"
    assert process.status == "killed"


def test_kill_of_a_fetched_handle_returns_the_output_so_far(sandbox):
    """(34)"""
    process = sandbox.processes.start(LONG)
    first_line(process)
    fetched = sandbox.get_process(process.id)
    result = fetched.kill()
    assert (result.status, result.stdout) == ("killed", "ready\n")
    assert fetched.status == "killed"


def test_kill_beats_a_process_that_ignores_term(sandbox):
    """(33) (34)"""
    process = sandbox.processes.start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    assert first_line(process) == "ready\n"
    process.signal("TERM")
    with pytest.raises(TIMED_OUT):
        process.wait(timeout_ms=300)
    assert process.refresh().status == "running"
    assert process.kill().status == "killed"


def test_kill_after_the_end_changes_nothing(sandbox):
    """(34) Twice."""
    process = sandbox.processes.start("exit 3")
    result = process.wait()
    for _ in range(2):
        assert process.kill() == result
    fetched = sandbox.get_process(process.id)
    assert fetched.kill().exit_code == 3
    assert fetched.status == "exited"
