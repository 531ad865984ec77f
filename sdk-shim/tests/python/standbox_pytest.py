"""What all tests of SDKs have of pytest: a limit of time, the server's words beside a failure, scenarios that are met."""

import signal

import pytest

from standbox_server import Deadline, Server

TEST_SECONDS = 60


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
def time_limit(request):
    """No test may hang: the alarm breaks any blocking call of the main thread."""
    marker = request.node.get_closest_marker("slow")
    deadline = Deadline(marker.args[0] if marker else TEST_SECONDS)

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
