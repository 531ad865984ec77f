"""Three hundred commands at once from one client, which has one connection for all of them."""

from cwsandbox import Sandbox

MANY = 300
LINES = "".join(f"{i:05}\n" for i in range(1, 20001))  # 120,000 bytes: more than a pipe holds, more than a message

# Says that it runs, waits at the gate, then says a lot.
SCRIPT = 'echo "up $1"; : <gate; seq -f %05g 20000; echo "over $1" >&2; exit $(($1 % 7))'


def first_item(process):
    return next(iter(process.stdout))


def test_300_commands_at_once_say_all_they_have_to_say():
    with Sandbox.run() as sandbox:
        assert sandbox.exec(["mkfifo", "gate"]).result().returncode == 0
        processes = [sandbox.exec(["sh", "-c", SCRIPT, "sh", str(i)]) for i in range(MANY)]
        # All of them live now: none ends before the gate is opened.
        assert [first_item(process) for process in processes] == [f"up {i}\n" for i in range(MANY)]
        keeper = sandbox.exec(["sh", "-c", "exec 3>gate; cat"], stdin=True)
        results = [process.result() for process in processes]
        keeper.stdin.close().result()
        assert keeper.result().returncode == 0
    for i, result in enumerate(results):
        assert (result.returncode, result.stderr) == (i % 7, f"over {i}\n")
        assert result.stdout == f"up {i}\n{LINES}", f"{i}: {len(result.stdout)} characters"
