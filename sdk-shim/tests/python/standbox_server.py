"""Starts the server under test, and proves that it leaves nothing behind."""

import ctypes
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time

READY_KEYS = {"standbox", "http", "grpc", "admin", "admin_token", "pid"}
READY_SECONDS = 20
STOP_SECONDS = 15
REAP_SECONDS = 2  # a killed process may need a moment to leave /proc
ORDINARY_SPAWN_MS = 3
MOST_SLOWNESS = 10
STDERR_LINES = 40
STACKS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "stacks")
LOGS = os.environ.get("STANDBOX_LOGS") or tempfile.gettempdir()
PATIENCE = float(os.environ.get("STANDBOX_PATIENCE") or 1)


def slowness():
    """How much slower than an ordinary idle machine this one is at the moment, 1 at least.

    Starting a program wakes, forks and schedules, like everything the tests do.
    """
    start = time.monotonic()
    for _ in range(10):
        subprocess.run(["/bin/true"], check=True)
    spawn_ms = (time.monotonic() - start) * 1000 / 10
    return min(max(spawn_ms / ORDINARY_SPAWN_MS, 1), MOST_SLOWNESS) * PATIENCE


class Deadline:
    """So many seconds on an ordinary idle machine; on a busy one more, measured when they are over."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.begin = time.monotonic()

    def left(self):
        elapsed = time.monotonic() - self.begin
        if elapsed < self.seconds:
            return self.seconds - elapsed
        return max(self.seconds * slowness() - elapsed, 0)

    def over(self):
        return self.left() <= 0


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
    deadline = Deadline(seconds)
    while True:
        answer = condition()
        if answer:
            return answer
        assert not deadline.over(), f"not within {seconds} s: {what}"
        time.sleep(0.02)


def identity(user):
    """Arguments for subprocess that make a child this user's; none: the caller's."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


class Server:
    living = []  # for the reports of failed tests

    def __init__(self, binary, *options, user=None):
        adopt_orphans()
        self._log = tempfile.TemporaryFile()
        self._before = set(descendants(os.getpid()))
        self._folder = tempfile.mkdtemp()
        os.chmod(self._folder, 0o777)
        # The usual soft limit of open files: raising it is the server's business.  It ends when we are killed.
        limited = ["/bin/sh", "-c", 'ulimit -S -n 1024; exec setpriv --pdeathsig TERM "$0" "$@"']
        self.process = subprocess.Popen(
            [*limited, binary, "--http", "127.0.0.1:0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "TMPDIR": self._folder},
            **identity(user),
        )
        Server.living.append(self)
        try:
            self.ready = self._read_ready_line()
        except BaseException:
            self.kill()
            raise
        self.url = self.ready["http"]
        self.port = int(self.url.rpartition(":")[2])

    def _read_ready_line(self):
        deadline = Deadline(READY_SECONDS)
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], deadline.left())
            assert readable, f"no ready line in {READY_SECONDS} s\n{self.stderr()}"
            chunk = os.read(self.process.stdout.fileno(), 4096)
            assert chunk, f"the server ended before it was ready\n{self.stderr()}"
            line += chunk
        ready = json.loads(line)
        assert READY_KEYS <= set(ready), f"keys missing in the ready line: {ready}"
        assert ready["pid"] == self.process.pid
        return ready

    def stderr(self):
        """What the server had to say last."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(["--- server stderr, its end ---", *lines[-STDERR_LINES:]])

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
        self._ended()

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sweep(self):
        """What a failed test left behind must not stay on the machine."""
        for pid, _ in self.survivors():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self._folder, ignore_errors=True)

    def assert_nothing_survives(self, seconds=REAP_SECONDS):
        try:
            eventually(lambda: not self.survivors(), seconds, "all processes gone")
        except AssertionError:
            raise AssertionError(f"still alive: {self.survivors()}\n{self.stderr()}") from None

    def stop(self):
        """SIGTERM, and everything that has to be true afterwards."""
        code = self.process.poll()
        self._ended()
        assert code is None, f"the server had ended by itself ({code})\n{self.stderr()}"
        self.process.send_signal(signal.SIGTERM)
        code = self._wait()
        assert code == 0, f"exit code {code} after SIGTERM\n{self.stderr()}"
        assert self.process.stdout.read() == b"", "more than the ready line on stdout"
        self.assert_nothing_survives()
        assert os.listdir(self._folder) == [], "files are left behind"

    def _wait(self):
        deadline = Deadline(STOP_SECONDS)
        while not deadline.over():
            try:
                return self.process.wait(max(deadline.left(), 0.1))
            except subprocess.TimeoutExpired:
                pass
        tree = self.survivors()
        stacks = os.path.join(LOGS, f"hang-{self.process.pid}.txt")
        subprocess.run([STACKS, str(self.process.pid), stacks], check=False)
        self.kill()
        raise AssertionError(
            f"still there {STOP_SECONDS} s after SIGTERM, see {stacks}; tree: {tree}\n{self.stderr()}"
        )

    def _ended(self):
        if self in Server.living:
            Server.living.remove(self)
