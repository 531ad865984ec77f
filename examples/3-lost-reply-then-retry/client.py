"""Start something that must run once, and never hear back."""

from hyperbrowser import Hyperbrowser
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models.sandbox import CreateSandboxParams

from story import admin, expect, finish

client = Hyperbrowser()
sandbox = client.sandboxes.create(CreateSandboxParams(image_name="node"))


def runs(command):
    """How often it really ran: the server's ledger knows."""
    processes = admin("/processes")["sandboxes"][0]["processes"]
    return sum(process["command"] == command for process in processes)


def blindly(command):
    try:
        return sandbox.exec(command)
    except HyperbrowserError as error:
        print(f"first try: {error}")
        expect("the error says that it can be retried", error.retryable, True)
        return sandbox.exec(command)


def carefully(command):
    try:
        return sandbox.exec(command)
    except HyperbrowserError:
        # It may have run. Only when nobody knows of it is it safe to try again.
        known = [entry for entry in sandbox.processes.list().data if entry.command == command]
        return sandbox.get_process(known[0].id).wait() if known else sandbox.exec(command)


expect("retried blindly", blindly("deploy-once --blindly").stdout, "deployed\n")
expect("and it ran", runs("deploy-once --blindly"), 2)
expect("retried carefully", carefully("deploy-once --carefully").stdout, "deployed\n")
expect("and it ran", runs("deploy-once --carefully"), 1)
sandbox.stop()
finish()
