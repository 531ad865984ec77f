#!/usr/bin/env python3
"""An adapter that misbehaves on demand: behave.py VERB [ARG]... (the names of the functions below).

No client is behind it.  What it starts and leaves alive opens the FIFO that it is given for writing, so that a
test sees the end of all of them as the end of that file.
"""

import json
import os
import signal
import socket
import sys
import time

HELLO = {"type": "hello", "version": 1, "name": "behave", "vendors": ["hyperbrowser"], "capabilities": ["exec"]}
MEBIBYTE = 1 << 20


def put(data):
    """The bytes, whole, at once if the pipe takes them."""
    data = data if isinstance(data, bytes) else data.encode()
    while data:
        data = data[os.write(1, data):]


def line(value):
    return json.dumps(value) + "\n"


def take():
    """The next line from the suite, or an end of ours."""
    text = sys.stdin.readline()
    if not text:
        sys.exit(0)
    return json.loads(text)


def answer(run, **value):
    outcomes = [{"step": step["step"], "value": value} for step in run["steps"]]
    return line({"type": "result", "seq": run["seq"], "outcomes": outcomes})


def greet():
    take()
    put(line(HELLO))


def forever():
    while True:
        signal.pause()


def up(fifo):
    """Hold the FIFO open for good, and say that we are there."""
    os.write(os.open(fifo, os.O_WRONLY), b"up\n")


def fork_holder(fifo, new_session):
    if os.fork() == 0:
        if new_session:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(sig, signal.SIG_IGN)
        up(fifo)
        forever()


# ---- level 2: well-behaved ------------------------------------------------------------------


def plain():
    greet()
    while True:
        run = take()
        for step in run["steps"]:
            put(line({"type": "at", "seq": run["seq"], "step": step["step"]}))
        put(answer(run, id="p_1", exit_code=0))


def descriptors():
    """Answers with the descriptors that it has."""
    greet()
    while True:
        run = take()
        seen = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)]
        put(answer(run, id=",".join(sorted(seen))))


def surroundings():
    greet()
    while True:
        put(answer(take(), id=os.environ.get("BEHAVE", ""), cwd=os.getcwd(), pid=os.getpgid(0) - os.getpid()))


def skips():
    greet()
    run = take()
    put(line({"type": "skipped", "seq": run["seq"], "message": "no such thing", "issue_url": "https://example.org/1"}))
    forever()


def errs():
    greet()
    run = take()
    put(line({"type": "errored", "seq": run["seq"], "message": "oops", "traceback": "line 1"}))
    forever()


def one_byte_at_a_time():
    greet()
    while True:
        for byte in answer(take(), id="p_1").encode():
            os.write(1, bytes([byte]))


def long_answer():
    greet()
    while True:
        run = take()
        put(answer(run, stdout={"base64": "QUJD" * (6 * MEBIBYTE)}, id=str(len(json.dumps(run)))))


def flood_stderr():
    greet()
    run = take()
    block = b"noise " * 10922 + b"\n" * 4
    for _ in range(100 * MEBIBYTE // len(block) + 1):
        os.write(2, block)
    os.write(2, b"the last word\n")
    put(answer(run))
    take()


def do_step(step, url, handles):
    """What an honest adapter says of the few operations that this one has."""
    if step["op"] == "sandbox.create":
        host, port = url.split("/")[2].split(":")
        try:
            socket.create_connection((host, int(port)), 5).close()
        except OSError as error:
            return {"error": {"kind": "connection", "class": type(error).__name__, "message": str(error)}}
        handles.add(step["as"])
        return {"value": {"id": "sb_1"}}
    if step["op"] == "exec" and step["sandbox"] in handles:
        return {"value": {"exit_code": 0}}
    return {"skipped": "no such handle" if step["op"] == "exec" else "no such operation"}


def honest_answer(run):
    handles = set()
    outcomes = [{"step": step["step"], **do_step(step, run["client"]["url"], handles)} for step in run["steps"]]
    return line({"type": "result", "seq": run["seq"], "outcomes": outcomes})


def honest(flaw=""):
    """Keeps to the protocol, but for one flaw."""
    hello = {**HELLO, "language": "python", "capabilities": ["sandbox.create", "exec", "exec.cdw"]}
    if flaw == "hello":
        hello["max_in_flight"] = "one"
    if flaw == "vendor":
        hello["vendors"] = ["modal"]
    if flaw == "sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    take()
    put(line(hello))
    for text in sys.stdin:
        run = json.loads(text)
        if flaw == "crash" and run["steps"]:
            raise KeyError(run["steps"][0]["op"])
        if flaw == "seq":
            run["seq"] &= 0xFFFFFFFF
        put(honest_answer(run))
    if flaw == "code":
        sys.exit(1)
    if flaw == "linger":
        forever()


def honest_once(*_):
    if sys.argv[-1] == "--hello":
        put(line(HELLO))
    else:
        put(honest_answer(take()))


# ---- level 2: ends and hangs -----------------------------------------------------------------


def silent():
    forever()


def exits_early():
    take()
    print("no such client", file=sys.stderr)
    sys.exit(4)


def exits(code="3"):
    greet()
    run = take()
    put(line({"type": "at", "seq": run["seq"], "step": run["steps"][0]["step"]}))
    print("giving up", file=sys.stderr, flush=True)
    os._exit(int(code))


def dies(name="SEGV"):
    greet()
    take()
    os.kill(os.getpid(), getattr(signal, "SIG" + name))


def hangs(fifo=None):
    greet()
    if fifo:
        up(fifo)
    run = take()
    put(line({"type": "at", "seq": run["seq"], "step": run["steps"][-1]["step"]}))
    forever()


def hangs_without_a_step():
    greet()
    forever()


def ignores_sigterm(fifo=None):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hangs(fifo)


def ignores_the_end_of_stdin(fifo):
    greet()
    up(fifo)
    sys.stdin.read()
    forever()


def says_half(code="0"):
    greet()
    run = take()
    put(answer(run)[:20])
    os._exit(int(code))


def closes_stdout():
    greet()
    take()
    os.close(1)
    forever()


def closes_stdin(fifo):
    greet()
    os.close(0)
    up(fifo)
    forever()


def answers_and_exits(code="5"):
    greet()
    put(answer(take()))
    os._exit(int(code))


# ---- level 2: lines that should not be ---------------------------------------------------------


def chatty_before():
    put("Loading the client...\n")
    plain()


def says(text):
    """Another line in the place of the answer; \\xNN for bytes."""
    greet()
    take()
    put(text.encode().decode("unicode_escape").encode("latin-1") + b"\n")
    forever()


def answers_twice():
    greet()
    run = take()
    put(answer(run) + answer(run))
    forever()


def answers_twice_later(fifo):
    """The second one comes after the first was read, and the FIFO says when."""
    greet()
    run = take()
    put(answer(run))
    put(answer(run))
    up(fifo)
    forever()


def answers_the_next(fifo):
    """Answers a run that has not been sent yet."""
    greet()
    run = take()
    put(answer(run))
    run["seq"] += 1
    put(answer(run)[:10])
    up(fifo)
    take()
    put(answer(run)[10:])
    forever()


def greets_twice():
    take()
    put(line(HELLO) * 2)
    forever()


def greets_late():
    greet()
    take()
    put(line(HELLO))
    forever()


def greets_in_a_foreign_version():
    take()
    put(line({**HELLO, "version": 2}))
    forever()


def wrong_seq():
    greet()
    run = take()
    run["seq"] = 77
    put(answer(run))
    forever()


def wrong_step():
    greet()
    run = take()
    put(line({"type": "at", "seq": run["seq"], "step": "nowhere"}))
    forever()


def endless_line():
    greet()
    take()
    block = b"x" * MEBIBYTE
    while True:
        os.write(1, block)


def answers_unread():
    """Answers a run of which it has read one byte."""
    greet()
    os.read(0, 1)
    put(line({"type": "result", "seq": 1, "outcomes": []}))
    forever()


# ---- level 2: families -------------------------------------------------------------------------


def holds_stdout(fifo):
    """The leader ends with exit 0, a child of its has the pipes and lives on."""
    greet()
    take()
    fork_holder(fifo, False)
    os._exit(0)


def leaves_a_daemon(fifo):
    greet()
    run = take()
    fork_holder(fifo, True)
    put(answer(run))
    take()


def leaves_many(fifo):
    greet()
    for number in range(20):
        fork_holder(fifo, number % 2 == 0)
    take()
    forever()


def breeds(fifo):
    """A daemon that is never the same process for long: each forks the next and ends."""
    greet()
    if os.fork() == 0:
        up(fifo)
        while True:
            if os.fork() != 0:
                os._exit(0)
            os.setsid()
    forever()


# ---- level 1 -----------------------------------------------------------------------------------


def once(*_):
    """The run in the place of a value: what came by stdin, environment, arguments."""
    if sys.argv[-1] == "--hello":
        put(line(HELLO))
        return
    text = sys.stdin.readline()
    run = json.loads(text)
    names = ("CASE", "VENDOR", "URL", "TOKEN")
    seen = "|".join([os.environ.get("STANDBOX_" + name, "-") for name in names] + [sys.argv[-1]])
    same = os.environ.get("STANDBOX_CONTEXT") == text.rstrip("\n")
    put(answer(run, id=seen, status="same" if same else "other" if "STANDBOX_CONTEXT" in os.environ else "absent"))


def once_without_hello(*_):
    if sys.argv[-1] == "--hello":
        sys.exit(9)
    put(answer(json.loads(os.environ["STANDBOX_CONTEXT"])))


def once_exits(code, *_):
    if sys.argv[-1] != "--hello":
        put(answer(take()))
        sys.exit(int(code))


def once_twice(*_):
    if sys.argv[-1] != "--hello":
        run = take()
        put(answer(run))
        time.sleep(0.05)
        put(answer(run))


def once_lingers(fifo, *_):
    if sys.argv[-1] != "--hello":
        put(answer(take()))
        up(fifo)
        forever()


def once_with_a_daemon(fifo, *_):
    if sys.argv[-1] != "--hello":
        run = take()
        fork_holder(fifo, True)
        put(answer(run))


def once_nothing(*_):
    pass


globals()[sys.argv[1]](*sys.argv[2:])
