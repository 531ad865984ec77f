"""Kill a process, look again, and do not believe the first answer."""

from hyperbrowser import Hyperbrowser
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models.sandbox import CreateSandboxParams

from story import admin, expect, finish

client = Hyperbrowser()  # HYPERBROWSER_BASE_URL and HYPERBROWSER_API_KEY are all it needs
sandbox = client.sandboxes.create(CreateSandboxParams(image_name="node"))

started = sandbox.processes.start("demo-server")
expect("it says", next(started.stream()).data, "listening\n")

process = sandbox.get_process(started.id)
try:
    process.kill(timeout_ms=200)
except HyperbrowserError as error:
    print(f"kill: {error}")
expect("the answer to kill", process.status, "killed")
expect("a look at it", sandbox.get_process(started.id).status, "running")

truth = admin("/processes")["sandboxes"][0]["processes"][0]
expect("what the server knows", truth["state"], "running")
expect("signals that it got", truth["signals"], [])
print(f"what the kernel knows: pid {truth['hostPid']} is alive")

expect("the second kill", sandbox.get_process(started.id).kill().status, "killed")
sandbox.stop()
finish()
