"""The vendor's process page, example by example, as it is written there.

The code between `# page` and `# end` is the page's own; only the sandbox is given.
What the page prints is captured and checked.
"""

import asyncio
import re
import shutil

import pytest
from hyperbrowser import AsyncHyperbrowser, Hyperbrowser
from hyperbrowser.models.sandbox import CreateSandboxParams

from conftest import IMAGE

NODE = r"v\d+\.\d+\.\d+"
root = pytest.mark.needs_root
node = pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no node")


@pytest.fixture
def sandbox(server):
    client = Hyperbrowser(api_key="test-key", base_url=server.url)
    handle = client.sandboxes.create(CreateSandboxParams(image_name=IMAGE))
    yield handle
    handle.stop()
    client.close()


@pytest.fixture
def run_async(server):
    def run(example):
        async def main():
            async with AsyncHyperbrowser(api_key="test-key", base_url=server.url) as client:
                handle = await client.sandboxes.create(CreateSandboxParams(image_name=IMAGE))
                try:
                    return await example(handle)
                finally:
                    await handle.stop()

        return asyncio.run(main())

    return run


def check_node_version(printed):
    assert re.fullmatch(f"Exit code: 0\nStdout: {NODE}\nStderr: \n", printed)


def check_options(result):
    assert result.stdout.split() == ["/tmp", "bar", "root"]
    assert (result.status, result.exit_code, result.stderr) == ("exited", 0, "")


def check_signalled(process, listing, result, printed):
    assert printed == f"{[entry.id for entry in listing.data]}\n{result.status}\n"
    assert process.id in [entry.id for entry in listing.data]
    assert result.status == "killed"


def check_streamed(printed):
    lines = printed.splitlines()
    assert sorted(lines[:-1]) == ["", "", "stderr stream-err", "stdout stream-out"]
    assert lines[-1] == "Exited with: 0"


# ---- run a command


@node
def test_run_a_command(sandbox, capsys):
    # page
    result = sandbox.exec("node -v")

    print(f"Exit code: {result.exit_code}")
    print(f"Stdout: {result.stdout.strip()}")
    print(f"Stderr: {result.stderr.strip()}")
    # end
    check_node_version(capsys.readouterr().out)


@node
def test_run_a_command_async(run_async, capsys):
    async def example(sandbox):
        result = await sandbox.exec("node -v")

        print(f"Exit code: {result.exit_code}")
        print(f"Stdout: {result.stdout.strip()}")
        print(f"Stderr: {result.stderr.strip()}")

    run_async(example)
    check_node_version(capsys.readouterr().out)


@root
def test_run_a_command_with_options(sandbox):
    # page
    result = sandbox.exec(
        "pwd && echo $FOO && whoami",
        cwd="/tmp",
        env={"FOO": "bar"},
        timeout_ms=5000,
        run_as="root",
    )
    # end
    check_options(result)


@root
def test_run_a_command_with_options_async(run_async):
    async def example(sandbox):
        return await sandbox.exec(
            "pwd && echo $FOO && whoami",
            cwd="/tmp",
            env={"FOO": "bar"},
            timeout_ms=5000,
            run_as="root",
        )

    check_options(run_async(example))


# ---- start a background process


@root
def test_start_a_background_process(sandbox, capsys):
    # page
    process = sandbox.processes.start(
        "read line; echo stdout:$line; echo stderr:$line 1>&2",
        run_as="root",
    )

    process.write_stdin(data="hello\n", eof=True)

    result = process.wait()
    print(result.stdout)
    print(result.stderr)
    # end
    assert capsys.readouterr().out == "stdout:hello\n\nstderr:hello\n\n"
    assert (result.status, result.exit_code) == ("exited", 0)


@root
def test_start_a_background_process_async(run_async, capsys):
    async def example(sandbox):
        process = await sandbox.processes.start(
            "read line; echo stdout:$line; echo stderr:$line 1>&2",
            run_as="root",
        )

        await process.write_stdin(data="hello\n", eof=True)

        result = await process.wait()
        print(result.stdout)
        print(result.stderr)
        return result

    result = run_async(example)
    assert capsys.readouterr().out == "stdout:hello\n\nstderr:hello\n\n"
    assert (result.status, result.exit_code) == ("exited", 0)


# ---- get, list, and signal processes


@root
def test_get_list_and_signal(sandbox, capsys):
    # page
    process = sandbox.processes.start("sleep 30", run_as="root")

    fetched = sandbox.get_process(process.id)
    listing = sandbox.processes.list(status="running", limit=20)

    fetched.signal("TERM")
    result = fetched.wait()

    print([entry.id for entry in listing.data])
    print(result.status)
    # end
    check_signalled(process, listing, result, capsys.readouterr().out)
    assert process.result() == process.wait()  # "result() is a convenience alias for wait()"


@root
def test_get_list_and_signal_async(run_async, capsys):
    async def example(sandbox):
        process = await sandbox.processes.start("sleep 30", run_as="root")

        fetched = await sandbox.get_process(process.id)
        listing = await sandbox.processes.list(status="running", limit=20)

        await fetched.signal("TERM")
        result = await fetched.wait()

        print([entry.id for entry in listing.data])
        print(result.status)
        return process, listing, result

    process, listing, result = run_async(example)
    check_signalled(process, listing, result, capsys.readouterr().out)


# ---- stream process output


def test_stream_process_output(sandbox, capsys):
    # page
    process = sandbox.processes.start("echo stream-out; echo stream-err 1>&2")

    for event in process.stream():
        if event.type == "exit":
            print(f"Exited with: {event.result.exit_code}")
            break

        print(event.type, event.data)
    # end
    check_streamed(capsys.readouterr().out)


def test_stream_process_output_async(run_async, capsys):
    async def example(sandbox):
        process = await sandbox.processes.start("echo stream-out; echo stream-err 1>&2")

        async for event in process.stream():
            if event.type == "exit":
                print(f"Exited with: {event.result.exit_code}")
                break

            print(event.type, event.data)

    run_async(example)
    check_streamed(capsys.readouterr().out)


# ---- process status values: five of the six can be had on demand


@pytest.mark.parametrize(
    "status, command, options",
    [
        ("exited", "true", {}),
        ("exited", "exit 3", {}),
        ("killed", "kill -KILL $$", {}),
        ("timed_out", "sleep 30", {"timeout_ms": 200}),
        ("failed", "true", {"cwd": "/no/such/folder"}),
    ],
)
def test_page_status_values_can_be_had(sandbox, status, command, options):
    assert sandbox.exec(command, **options).status == status


def test_page_status_running_can_be_had(sandbox):
    process = sandbox.processes.start("read line")
    assert process.status in ("queued", "running")
    assert sandbox.get_process(process.id).status == "running"
    process.write_stdin(eof=True)
    process.wait()
    assert process.status == "exited"


@pytest.mark.needs_no_root
def test_root_is_refused_where_it_cannot_be_had(sandbox):
    """A server that cannot become root says so; it does not run the command as somebody else."""
    result = sandbox.exec("whoami", run_as="root")
    assert (result.status, result.stdout) == ("failed", "")
    assert result.error
