"""Many at once, through the asynchronous client as its users write it."""

import asyncio

import pytest
from hyperbrowser import AsyncHyperbrowser
from hyperbrowser.models.sandbox import CreateSandboxParams

from conftest import IMAGE


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
def test_hundred_execs_at_once(server):
    async def work(sandbox):
        return await asyncio.gather(
            *[sandbox.exec(f"echo out-{n}; echo err-{n} >&2; exit {n}") for n in range(100)]
        )

    results = run(server, work)
    for n, result in enumerate(results):
        assert (result.stdout, result.stderr) == (f"out-{n}\n", f"err-{n}\n")
        assert (result.status, result.exit_code) == ("exited", n)
    assert len({result.id for result in results}) == 100


@pytest.mark.slow(120)
def test_hundred_open_processes_at_once(server):
    """All are open at the same time: none ends before every one has begun."""

    async def work(sandbox):
        started = await asyncio.gather(
            *[sandbox.processes.start(f"read line; echo {n}:$line") for n in range(100)]
        )
        listing = await sandbox.processes.list(status="running", limit=100)
        await asyncio.gather(*[process.write_stdin("in\n") for process in started])
        results = await asyncio.gather(*[process.wait() for process in started])
        return listing, results

    listing, results = run(server, work)
    assert len(listing.data) == 100
    assert [result.stdout for result in results] == [f"{n}:in\n" for n in range(100)]


def test_sandboxes_at_once(server):
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
