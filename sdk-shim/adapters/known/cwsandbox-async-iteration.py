"""cwsandbox 0.22.0: `async for` over a reader does not wake up when output comes later.

The reader waits in the caller's event loop for a queue that the SDK fills from a loop on another thread, and nobody
tells the caller's loop.  It goes on only when something else happens there: here a timer, after some seconds.
"""

import asyncio
import importlib.metadata
import sys
import time

from cwsandbox._loop_manager import _LoopManager
from cwsandbox._types import StreamReader

OTHER_THING_SECONDS = 3


async def seconds_until_seen():
    """Between the arrival of an item and its being handed out, while nothing else happens."""
    loop_manager = _LoopManager.get()
    queue = asyncio.Queue()
    arrived = []

    async def deliver():
        while not queue._getters:  # until somebody waits
            await asyncio.sleep(0.01)
        arrived.append(time.monotonic())
        await queue.put("output\n")

    loop_manager.run_async(deliver())
    asyncio.get_running_loop().call_later(OTHER_THING_SECONDS, lambda: None)
    async for _ in StreamReader(queue, loop_manager):
        return time.monotonic() - arrived[0]


def main():
    seconds = asyncio.run(seconds_until_seen())
    version = importlib.metadata.version("cwsandbox")
    is_known = seconds > OTHER_THING_SECONDS / 2
    print(f"{'as known' if is_known else 'not any more'}: {version} hands out after {seconds:.1f} s what is there")
    sys.exit(0 if is_known else 1)


if __name__ == "__main__":
    main()
