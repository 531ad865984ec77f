"""Many at once, through the asynchronous client as its users write it."""

import asyncio
import resource
import threading

import pytest
from hyperbrowser import AsyncHyperbrowser, Hyperbrowser
from hyperbrowser.models.sandbox import CreateSandboxParams

from conftest import IMAGE
from standbox_server import eventually

# One connection each on this side; the server has to see to its own limit.
_, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


def run(server, work):
    async def main():
        async with AsyncHyperbrowser(api_key="test-key", base_url=server.url) as client:
            sandbox = await client.sandboxes.create(CreateSandboxParams(image_name=IMAGE))
            try:
                return await work(sandbox)
            finally:
                await sandbox.stop()

    return asyncio.run(main())


@pytest.mark.slow(120)
def test_five_hundred_execs_at_once_each_get_their_own_result(server):
    async def work(sandbox):
        return await asyncio.gather(
            *[sandbox.exec(f"echo out-{n}; echo err-{n} >&2; exit {n % 256}") for n in range(500)]
        )

    results = run(server, work)
    for n, result in enumerate(results):
        assert (result.stdout, result.stderr) == (f"out-{n}\n", f"err-{n}\n")
        assert (result.status, result.exit_code) == ("exited", n % 256)
    assert len({result.id for result in results}) == 500


@pytest.mark.slow(180)
def test_thousand_streams_are_open_at_once(server):
    """None ends before every one has begun, and other calls still get through."""

    async def work(sandbox):
        started = await asyncio.gather(
            *[sandbox.processes.start(f"echo up; read line; echo {n}:$line") for n in range(1000)]
        )
        firsts = [await anext(process.stream()) for process in started]
        listing = await sandbox.processes.list(status="running", limit=1000)
        await asyncio.gather(*[process.write_stdin("in\n") for process in started])
        results = await asyncio.gather(*[process.wait() for process in started])
        return firsts, listing, results

    firsts, listing, results = run(server, work)
    assert [event.data for event in firsts] == ["up\n"] * 1000
    assert len(listing.data) == 1000
    assert [result.stdout for result in results] == [f"up\n{n}:in\n" for n in range(1000)]


def test_fifty_threads_share_a_sandbox(server):
    """The synchronous client, from threads."""
    client = Hyperbrowser(api_key="test-key", base_url=server.url)
    sandbox = client.sandboxes.create(CreateSandboxParams(image_name=IMAGE))
    shown = {}

    def work(n):
        shown[n] = sandbox.exec(f"echo {n}").stdout

    threads = [threading.Thread(target=work, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == {n: f"{n}\n" for n in range(50)}
    sandbox.stop()
    client.close()


def test_sandboxes_at_once_are_separate(server):
    async def main():
        async with AsyncHyperbrowser(api_key="test-key", base_url=server.url) as client:
            params = CreateSandboxParams(image_name=IMAGE)
            made = await asyncio.gather(*[client.sandboxes.create(params) for _ in range(8)])
            shown = await asyncio.gather(*[box.exec("echo $$ > me; cat me; ls") for box in made])
            await asyncio.gather(*[box.stop() for box in made])
            return made, shown

    made, shown = asyncio.run(main())
    assert len({sandbox.id for sandbox in made}) == 8
    assert all(result.stdout.splitlines()[1:] == ["me"] for result in shown)


def test_server_keeps_no_open_files_of_what_is_over(server):
    """Ended, left and refused: pipes, logs and connections are all given back."""

    async def work(sandbox):
        await asyncio.gather(*[sandbox.exec("head -c 100000 /dev/zero") for _ in range(50)])
        left = await asyncio.gather(*[sandbox.processes.start("sleep 300") for _ in range(50)])
        await asyncio.gather(*[process.disconnect() for process in left])
        await asyncio.gather(*[sandbox.get_process("none") for _ in range(20)], return_exceptions=True)

    run(server, lambda sandbox: sandbox.exec("true"))
    before = eventually(lambda: settled(server), 5, "a steady number of open files")
    run(server, work)
    eventually(lambda: server.open_files() <= before, 10, f"no more than {before} open files")


def settled(server):
    """The number of open files, once connections that are being closed are no longer among them."""
    seen = {server.open_files() for _ in range(200)}
    return seen.pop() if len(seen) == 1 else 0
