"""What the other adapters of this folder share: they claim every capability, so that no case is skipped for them."""

import json
import sys

COMMAND_ARGUMENTS = ["cwd", "env", "timeout_ms", "timeout_s", "user", "args", "max_output_bytes", "check"]
OPERATIONS = """sandbox.create sandbox.connect sandbox.refresh sandbox.status sandbox.list sandbox.stop
    sandbox.delete sandbox.wait sandbox.wait_complete sandbox.leave sandbox.logs exec start get list status poll wait result kill cancel signal write write_line close_stdin stream read logs
    wait_log wait_port wait_exit disconnect resize wait_many file.write file.read join""".split()
FINER = """start.stdin start.tty sandbox.create.command sandbox.create.args sandbox.create.tags
    sandbox.create.max_lifetime_s sandbox.list.tags sandbox.list.include_stopped sandbox.stop.grace_s
    sandbox.stop.missing_ok result.timeout_s wait.timeout_ms wait.timeout_s kill.timeout_ms write.bytes write.eof stream.from_seq list.status
    list.limit list.cursor client.timeout_ms client.runtime_proxy background protocol-a protocol-b v1beta2 v1 sync async""".split()
CAPABILITIES = OPERATIONS + FINER + [f"{op}.{name}" for op in ("exec", "start") for name in COMMAND_ARGUMENTS]


def say(line):
    print(json.dumps(line), flush=True)


def hello(name):
    return {"type": "hello", "version": 1, "name": name, "language": "python", "client_version": "0",
            "vendors": ["hyperbrowser", "coreweave"], "capabilities": CAPABILITIES, "max_in_flight": 1}


def serve(name, answer):
    """Say hello, then `answer` every run."""
    for text in sys.stdin:
        line = json.loads(text)
        if line["type"] == "hello":
            say(hello(name))
        else:
            answer(line)
