"""Fixtures: one real server per module, and the environment that points the SDK at it."""

import os
from importlib.metadata import version

import pytest

from standbox_pytest import pytest_pyfunc_call, pytest_runtest_makereport, time_limit  # noqa: F401
from standbox_server import Server

BINARY = os.environ["STANDBOX_SERVER"]
ISOLATION = os.environ.get("STANDBOX_ISOLATION") or "auto"
SERVER_USER = os.environ.get("STANDBOX_SERVER_USER") or None


def pytest_configure(config):
    config.addinivalue_line("markers", "scenario(name): the scenario in the test's lane")
    config.addinivalue_line("markers", "of_v1beta2: about what v1 has no word for")


def pytest_collection_modifyitems(config, items):
    """Which tests make sense is decided here; a skip is something that could not be tried."""
    is_old = version("cwsandbox") == "0.22.0"
    dropped = [item for item in items if item.get_closest_marker("of_v1beta2") and not is_old]
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=dropped)


@pytest.fixture(scope="module")
def server():
    instance = Server(BINARY, f"--isolation={ISOLATION}", user=SERVER_USER)
    yield instance
    try:
        instance.stop()
    finally:
        instance.sweep()


@pytest.fixture(autouse=True)
def environment(server, monkeypatch):
    monkeypatch.setenv("CWSANDBOX_BASE_URL", server.ready["grpc"])
    monkeypatch.setenv("CWSANDBOX_API_KEY", "test-key")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def sandbox():
    from cwsandbox import Sandbox

    with Sandbox.run() as instance:
        yield instance
