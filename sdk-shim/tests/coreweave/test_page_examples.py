"""The command-execution page: each of its promises with the real SDK, in the order of the page.

The programs are ours; what they must come to is the page's.
"""

import asyncio
import json
import time

import cwsandbox
import pytest
from cwsandbox import Sandbox, SandboxExecutionError, SandboxTimeoutError


def test_a_basic_command():
    with Sandbox.run() as sandbox:
        result = sandbox.exec(["echo", "Hello, World!"]).result()
    assert (result.stdout, result.returncode) == ("Hello, World!\n", 0)


def test_results_are_blocked_for(sandbox):
    process = sandbox.exec(["python", "-c", "print('hello')"])
    result = process.result()
    assert (result.stdout, result.stderr, result.returncode) == ("hello\n", "", 0)
    assert process.result() is result
    assert sandbox.exec(["ls", "-la"]).result().returncode == 0


def test_output_is_streamed_while_the_command_runs(sandbox):
    script = "import sys, time\nfor i in range(3):\n print('line', i, flush=True)\n time.sleep(0.3)\nsys.exit(4)"
    process = sandbox.exec(["python", "-c", script])
    lines, alive = [], []
    for line in process.stdout:
        lines.append(line)
        alive.append(process.poll() is None)
    assert lines == ["line 0\n", "line 1\n", "line 2\n"]
    assert alive[0]
    result = process.result()
    assert (result.returncode, result.stdout) == (4, "".join(lines))


def test_stdin_is_streamed(sandbox):
    process = sandbox.exec(["cat"], stdin=True)
    process.stdin.write(b"hello world\n").result()
    process.stdin.close().result()
    assert process.result().stdout == "hello world\n"


def test_without_stdin_there_is_none_and_a_reader_sees_its_end(sandbox):
    process = sandbox.exec(["cat"])
    assert process.stdin is None
    assert process.result().stdout == ""


def test_several_writes_arrive_in_order(sandbox):
    process = sandbox.exec(["cat"], stdin=True)
    for i in (1, 2, 3):
        process.stdin.writeline(f"line {i}").result()
    process.stdin.close().result()
    assert process.result().stdout == "line 1\nline 2\nline 3\n"


def test_python_is_fed_through_stdin(sandbox):
    process = sandbox.exec(["python3"], stdin=True)
    process.stdin.writeline("x = 40 + 2").result()
    process.stdin.writeline("print(f'answer: {x}')").result()
    process.stdin.close().result()
    assert process.result().stdout == "answer: 42\n"


def test_input_and_output_at_once(sandbox):
    process = sandbox.exec(["cat"], stdin=True)
    process.stdin.writeline("hello").result()
    first = next(iter(process.stdout))
    assert first == "hello\n"
    process.stdin.writeline("world").result()
    process.stdin.close().result()
    assert "".join(process.stdout) == "world\n"
    assert process.result().returncode == 0


def test_a_command_that_needs_the_end_of_its_input(sandbox):
    process = sandbox.exec(["sort"], stdin=True)
    for word in ("banana", "apple", "cherry"):
        process.stdin.writeline(word).result()
    process.stdin.close().result()
    assert process.result().stdout == "apple\nbanana\ncherry\n"


def test_in_async_code():
    async def use():
        async with Sandbox.run() as sandbox:
            process = sandbox.exec(["cat"], stdin=True)
            await process.stdin.write(b"async hello\n")
            await process.stdin.close()
            return await process

    assert asyncio.run(use()).stdout == "async hello\n"


def test_the_working_directory(sandbox):
    assert sandbox.exec(["pwd"], cwd="/tmp").result().stdout == "/tmp\n"
    with pytest.raises(ValueError):
        sandbox.exec(["pwd"], cwd="relative")


def test_a_timeout_ends_the_command(sandbox):
    begin = time.monotonic()
    process = sandbox.exec(["sh", "-c", "echo $$; exec sleep 60"], timeout_seconds=1.0)
    pid = next(iter(process.stdout)).strip()
    with pytest.raises(SandboxTimeoutError):
        process.result()
    assert time.monotonic() - begin < 50
    # 0.22.0 says so five seconds after the time; the process is gone then, too.
    deadline = time.monotonic() + 20
    while (code := sandbox.exec(["sh", "-c", f"kill -0 {pid}"]).result().returncode) == 0:
        assert time.monotonic() < deadline
    assert code == 1


def test_errors_are_results_unless_they_are_checked(sandbox):
    assert sandbox.exec(["false"]).result().returncode == 1
    with pytest.raises(SandboxExecutionError) as caught:
        sandbox.exec(["python", "-c", "raise ValueError('oops')"], check=True).result()
    assert caught.value.exec_result.returncode == 1
    assert "ValueError: oops" in caught.value.exec_result.stderr


def test_python_code(sandbox):
    code = "\nimport json\ndata = {'result': 42}\nprint(json.dumps(data))\n"
    assert json.loads(sandbox.exec(["python", "-c", code]).result().stdout) == {"result": 42}


def test_commands_one_after_the_other_see_each_others_files(sandbox):
    sandbox.exec(["sh", "-c", "echo made >step"]).result()
    assert sandbox.exec(["cat", "step"]).result().stdout == "made\n"


def test_commands_in_parallel():
    sandboxes = [Sandbox.run() for _ in range(3)]
    processes = [each.exec(["python", "-c", f"print({i})"]) for i, each in enumerate(sandboxes)]
    assert [each.result().stdout for each in processes] == ["0\n", "1\n", "2\n"]
    for each in sandboxes:
        each.stop().result()


def test_waiting_for_n_of_m(sandbox):
    waits = [sandbox.exec(["sh", "-c", "read line; echo $line"], stdin=True) for _ in range(3)]
    for process in waits[:2]:
        process.stdin.writeline("go").result()
    done, pending = cwsandbox.wait(waits, num_returns=2)
    assert {id(each) for each in done} == {id(each) for each in waits[:2]} and pending == [waits[2]]
    waits[2].stdin.writeline("late").result()
    assert pending[0].result().stdout == "late\n"


def test_a_process_is_polled_waited_for_and_cancelled(sandbox):
    process = sandbox.exec(["sh", "-c", "read line; exit 3"], stdin=True)
    assert process.poll() is None and process.returncode is None
    process.stdin.writeline("go").result()
    assert process.wait() == 3
    assert process.poll() == process.returncode == 3
    assert process.cancel() is False
    assert process.command == ["sh", "-c", "read line; exit 3"]


def test_files(sandbox):
    content = bytes(range(256)) * 1000
    path = sandbox.exec(["pwd"]).result().stdout.strip() + "/data.bin"
    sandbox.write_file(path, content).result()
    assert sandbox.read_file(path).result() == content
    with pytest.raises(cwsandbox.SandboxFileError):
        sandbox.read_file("/no/such/file").result()


def test_a_sandbox_is_found_listed_and_stopped():
    sandbox = Sandbox.run(tags=["listed"])
    sandbox.wait()
    try:
        assert Sandbox.from_id(sandbox.sandbox_id).result().sandbox_id == sandbox.sandbox_id
        assert [each.sandbox_id for each in Sandbox.list(tags=["listed"]).result()] == [sandbox.sandbox_id]
    finally:
        sandbox.stop().result()
    assert Sandbox.list(tags=["listed"]).result() == []
    with pytest.raises(cwsandbox.SandboxNotFoundError):
        Sandbox.from_id("no-such-sandbox").result()


def test_logs_of_the_main_process():
    with Sandbox.run("sh", "-c", "echo one; echo two; echo three; sleep 1000") as sandbox:
        sandbox.exec(["true"]).result()
        deadline = time.monotonic() + 20
        while len(lines := list(sandbox.stream_logs())) < 3 and time.monotonic() < deadline:
            pass
        assert lines == ["one\n", "two\n", "three\n"]
        assert list(sandbox.stream_logs(tail_lines=1)) == ["three\n"]


def test_a_shell():
    with Sandbox.run() as sandbox:
        session = sandbox.shell(["/bin/sh"], width=100, height=30)
        session.stdin.write(b"stty size; exit 5\n").result()
        output = b"".join(session.output)
        assert b"30 100" in output
        assert session.result().returncode == 5
