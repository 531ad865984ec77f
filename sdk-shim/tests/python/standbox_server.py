"""Starts the server under test, and proves that it leaves nothing behind."""

import ctypes
import json
import os
import select
import signal
import subprocess
import tempfile
import time

READY_KEYS = {"standbox", "http", "grpc", "admin", "admin_token", "pid"}
READY_SECONDS = 20
STOP_SECONDS = 15
REAP_SECONDS = 2  # a killed process may need a moment to leave /proc


def adopt_orphans():
    """Orphans of the server become our children, so none can escape the check."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def processes():
    """pid -> (parent, state, start time, command line) of all processes."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found[int(name)] = (int(fields[1]), fields[0], fields[19], command.strip())
    return found


def descendants(root):
    """The living tree below `root`, as {(pid, start time): command line}."""
    table = processes()
    below, fresh = set(), {root}
    while fresh:
        fresh = {pid for pid, entry in table.items() if entry[0] in fresh} - below
        below |= fresh
    return {
        (pid, table[pid][2]): table[pid][3] for pid in below if table[pid][1] not in "ZX"
    }


def alive_with(marker):
    """Command lines of the living processes that contain `marker`."""
    return [
        entry[3]
        for pid, entry in processes().items()
        if marker in entry[3] and entry[1] not in "ZX" and pid != os.getpid()
    ]


def eventually(condition, seconds, what):
    """The first true answer of `condition`; fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Server:
    def __init__(self, binary, *options):
        adopt_orphans()
        self._log = tempfile.TemporaryFile()
        self._before = set(descendants(os.getpid()))
        self.process = subprocess.Popen(
            [binary, "--http", "127.0.0.1:0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        try:
            self.ready = self._read_ready_line()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.url = self.ready["http"]
        self.port = int(self.url.rpartition(":")[2])

    def _read_ready_line(self):
        end = time.monotonic() + READY_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            wait = end - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(wait, 0))
            assert readable, f"no ready line in {READY_SECONDS} s\n{self.stderr()}"
            chunk = os.read(self.process.stdout.fileno(), 4096)
            assert chunk, f"the server ended before it was ready\n{self.stderr()}"
            line += chunk
        ready = json.loads(line)
        assert READY_KEYS <= set(ready), f"keys missing in the ready line: {ready}"
        assert ready["pid"] == self.process.pid
        return ready

    def stderr(self):
        self._log.seek(0)
        return "--- server stderr ---\n" + self._log.read().decode(errors="replace")

    def survivors(self):
        """What this server started and still lives."""
        return {
            key: command
            for key, command in descendants(os.getpid()).items()
            if key not in self._before and key[0] != self.process.pid
        }

    def kill(self):
        """SIGKILL: the server has no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def assert_nothing_survives(self, seconds=REAP_SECONDS):
        try:
            eventually(lambda: not self.survivors(), seconds, "all processes gone")
        except AssertionError:
            raise AssertionError(f"still alive: {self.survivors()}\n{self.stderr()}") from None

    def stop(self):
        """SIGTERM, and everything that has to be true afterwards."""
        code = self.process.poll()
        assert code is None, f"the server had ended by itself ({code})\n{self.stderr()}"
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            tree = self.survivors()
            self.kill()
            raise AssertionError(
                f"still there {STOP_SECONDS} s after SIGTERM; tree: {tree}\n{self.stderr()}"
            ) from None
        assert code == 0, f"exit code {code} after SIGTERM\n{self.stderr()}"
        self.assert_nothing_survives()
