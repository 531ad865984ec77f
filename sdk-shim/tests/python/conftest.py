"""Fixtures: one real server per module, a sandbox per test, every test for both clients."""

import os
import re
import subprocess

import pytest
from hyperbrowser import AsyncHyperbrowser, Hyperbrowser
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models.sandbox import CreateSandboxParams

from blocking import Blocking, Loop, unwrapped
from standbox_pytest import pytest_runtest_makereport, time_limit  # noqa: F401
from standbox_server import Server, identity

BINARY = os.environ["STANDBOX_SERVER"]
ISOLATION = os.environ.get("STANDBOX_ISOLATION") or "auto"
SERVER_USER = os.environ.get("STANDBOX_SERVER_USER") or None

IMAGE = "node"
TIMED_OUT = TimeoutError  # what asyncio raises, too


def can_have_root():
    """Who is not root needs a user namespace to run a command as root, whatever the isolation."""
    if os.geteuid() == 0 and SERVER_USER is None:
        return True
    command = ["unshare", "-Ur", "true"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, **identity(SERVER_USER)).returncode == 0


def pytest_configure(config):
    config.addinivalue_line("markers", "namespace: needs users and mounts of the sandbox's own")
    config.addinivalue_line("markers", "needs_root: run_as root must work")
    config.addinivalue_line("markers", "needs_no_root: for a server that cannot become root")
    config.addinivalue_line("markers", "slow(seconds): allowed more time than the rest")


def pytest_collection_modifyitems(config, items):
    """Which tests make sense is decided here; a skip is something that could not be tried."""

    has_root = can_have_root()

    def fits(item):
        if item.get_closest_marker("needs_root"):
            return has_root
        if item.get_closest_marker("needs_no_root"):
            return not has_root
        return ISOLATION != "none" or not item.get_closest_marker("namespace")

    dropped = [item for item in items if not fits(item)]
    items[:] = [item for item in items if fits(item)]
    config.hook.pytest_deselected(items=dropped)


def start_server(*options):
    return Server(BINARY, f"--isolation={ISOLATION}", *options, user=SERVER_USER)


@pytest.fixture(scope="module")
def server():
    instance = start_server()
    yield instance
    try:
        instance.stop()
    finally:
        instance.sweep()


@pytest.fixture
def own_server():
    """Starts servers of the test's own; the test ends them."""
    started = []

    def start(*options):
        started.append(start_server(*options))
        return started[-1]

    yield start
    for instance in started:
        if instance.process.poll() is None:
            instance.kill()
        instance.sweep()


@pytest.fixture(scope="session")
def loop():
    instance = Loop()
    yield instance
    instance.close()


@pytest.fixture(params=["sync", "async"])
def connect(request, loop):
    """connect(server, **options): a client of the kind under test."""
    opened = []

    def open_client(server, **options):
        options.setdefault("base_url", server.url)
        options.setdefault("api_key", "test-key")
        if request.param == "sync":
            client = Hyperbrowser(**options)
        else:
            client = Blocking(AsyncHyperbrowser(**options), loop)
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client(server, connect):
    return connect(server)


@pytest.fixture
def sandbox(client):
    handle = create(client)
    yield handle
    if handle.status == "active":
        handle.stop()


@pytest.fixture
def count_calls(monkeypatch):
    """count_calls(manager, "name"): a list that grows with every call that is passed on."""

    def watch(owner, name):
        owner = unwrapped(owner)
        original = getattr(owner, name)
        calls = []

        def spy(*args, **kwargs):
            calls.append(args)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, spy)
        return calls

    return watch


@pytest.fixture
def namespaces(server):
    """Skips where `auto` had to settle for no namespaces."""
    if re.search(r"isolation.*\bnone\b", server.stderr()):
        pytest.skip("this machine has no unprivileged user namespaces")


def create(client, **params):
    return client.sandboxes.create(CreateSandboxParams(image_name=IMAGE, **params))


def refusal(call):
    """The error of a runtime call that must be refused for good."""
    with pytest.raises(HyperbrowserError) as caught:
        call()
    error = caught.value
    assert (error.service, error.retryable) == ("runtime", False)  # (53)
    assert error.request_id  # (54)
    return error
