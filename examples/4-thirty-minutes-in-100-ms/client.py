"""Wait for a time-out of thirty minutes."""

import time

from hyperbrowser import Hyperbrowser
from hyperbrowser.models.sandbox import CreateSandboxParams

from story import admin, expect, finish

THIRTY_MINUTES_MS = 30 * 60 * 1000

client = Hyperbrowser()
sandbox = client.sandboxes.create(CreateSandboxParams(image_name="node"))

begin = time.monotonic()
result = sandbox.exec("train-model", timeout_ms=THIRTY_MINUTES_MS)
print(f"it took {(time.monotonic() - begin) * 1000:.0f} ms of yours")

expect("status", result.status, "timed_out")
expect("exit code", result.exit_code, None)
expect("output until then", result.stdout, "epoch 1\n")
minutes = (result.completed_at - result.started_at) // 60_000
print(f"it took {minutes} minutes by the API")
expect("at least thirty", minutes >= 30, True)

alive = [entry for entry in admin("/processes")["sandboxes"][0]["alive"] if not entry["isKeeper"]]
expect("what is left of it", alive, [])
sandbox.stop()
finish()
