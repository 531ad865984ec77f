"""Fixtures: one real server per module, and the environment that points the SDK at it."""

import os
import signal
from importlib.metadata import version

import pytest

from standbox_server import Deadline, Server

BINARY = os.environ["STANDBOX_SERVER"]
ISOLATION = os.environ.get("STANDBOX_ISOLATION") or "auto"
SERVER_USER = os.environ.get("STANDBOX_SERVER_USER") or None
TEST_SECONDS = 60


def pytest_configure(config):
    config.addinivalue_line("markers", "scenario(name): the scenario in the test's lane")
    config.addinivalue_line("markers", "of_v1beta2: about what v1 has no word for")


def pytest_collection_modifyitems(config, items):
    """Which tests make sense is decided here; a skip is something that could not be tried."""
    is_old = version("cwsandbox") == "0.22.0"
    dropped = [item for item in items if item.get_closest_marker("of_v1beta2") and not is_old]
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=dropped)


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """A test that has passed has met all of its scenario."""
    outcome = yield
    lane = pyfuncitem.funcargs.get("lane")
    if lane is not None and outcome.excinfo is None:
        try:
            lane.assert_all_fired()
        except AssertionError as error:
            outcome.force_exception(error)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for instance in Server.living:
            report.sections.append((f"server {instance.process.pid}", instance.stderr()))


@pytest.fixture(autouse=True)
def time_limit():
    """No test may hang: the alarm breaks any blocking call of the main thread."""
    deadline = Deadline(TEST_SECONDS)

    def ring(*_):
        left = deadline.left()
        if left <= 0:
            pytest.fail(f"took longer than {deadline.seconds} s")
        signal.setitimer(signal.ITIMER_REAL, left)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, deadline.seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


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
