"""Fixtures: one real server per module, a sandbox per test, every test for both clients."""

import asyncio
import os
import re
import signal

import pytest
from hyperbrowser import AsyncHyperbrowser, Hyperbrowser
from hyperbrowser.models.sandbox import CreateSandboxParams

from blocking import Blocking, Loop, unwrapped
from standbox_server import Server

BINARY = os.environ["STANDBOX_SERVER"]
ISOLATION = os.environ.get("STANDBOX_ISOLATION", "auto")
IMAGE = "node"
TEST_SECONDS = 60
TIMED_OUT = (TimeoutError, asyncio.TimeoutError)  # one class only since Python 3.11


def pytest_configure(config):
    config.addinivalue_line("markers", "namespace: needs users and mounts of the sandbox's own")
    config.addinivalue_line("markers", "slow(seconds): allowed more time than the rest")


def pytest_collection_modifyitems(config, items):
    if ISOLATION == "none":
        dropped = [item for item in items if item.get_closest_marker("namespace")]
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


@pytest.fixture(autouse=True)
def deadline(request):
    """No test may hang: the alarm breaks any blocking call of the main thread."""
    marker = request.node.get_closest_marker("slow")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def ring(*_):
        pytest.fail(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def server():
    instance = Server(BINARY, f"--isolation={ISOLATION}")
    yield instance
    instance.stop()


@pytest.fixture
def own_server():
    """Starts servers of the test's own; the test ends them."""
    started = []

    def start(*options):
        started.append(Server(BINARY, f"--isolation={ISOLATION}", *options))
        return started[-1]

    yield start
    for instance in started:
        if instance.process.poll() is None:
            instance.kill()


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
