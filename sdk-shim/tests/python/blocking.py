"""Shows the asynchronous SDK with the synchronous one's face.

So one test text runs against both real clients.  The asynchronous client lives in an
event loop on a thread of its own; calls wait for its coroutines, async generators
become iterators, and SDK objects come back wrapped in turn.
"""

import asyncio
import inspect
import threading


class Loop:
    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Blocking:
    def __init__(self, target, loop):
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_loop", loop)

    def __getattr__(self, name):
        value = getattr(self._target, name)
        if inspect.ismethod(value) or inspect.isfunction(value):
            return lambda *args, **kwargs: self._show(value(*args, **kwargs))
        return self._show(value)

    def __setattr__(self, name, value):
        setattr(self._target, name, value)

    def _show(self, value):
        if inspect.iscoroutine(value):
            return self._show(self._loop.run(value))
        if inspect.isasyncgen(value):
            return self._iterate(value)
        if type(value).__module__.startswith("hyperbrowser.client."):
            return Blocking(value, self._loop)
        return value

    def _iterate(self, generator):
        async def advance():
            return await generator.__anext__()

        try:
            while True:
                try:
                    yield self._loop.run(advance())
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run(generator.aclose())


def unwrapped(thing):
    """The SDK's own object behind `thing`."""
    return thing._target if isinstance(thing, Blocking) else thing
