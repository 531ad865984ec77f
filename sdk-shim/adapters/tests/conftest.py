"""Fixtures: one real server, each adapter in turn, a lane for each test."""

import os
import re

import pytest
from talk import COMMANDS, Adapter, Lane
from standbox_server import Server


@pytest.fixture(scope="session")
def server():
    instance = Server(os.environ["STANDBOX_SERVER"], "--isolation=auto")
    yield instance
    try:
        instance.stop()
    finally:
        instance.sweep()


@pytest.fixture(params=COMMANDS)
def kind(request):
    return request.param


@pytest.fixture
def spawn(kind):
    """spawn(**env): an adapter of this kind."""
    started = []

    def begin(**env):
        started.append(Adapter(COMMANDS[kind], **env))
        return started[-1]

    yield begin
    for adapter in started:
        adapter.kill()


@pytest.fixture(scope="session")
def shared(server):  # gone before the server looks for survivors
    """Adapters that stay, by kind: a case must not notice the one before."""
    adapters = {}
    yield adapters
    for adapter in adapters.values():
        adapter.kill()


@pytest.fixture
def adapter(kind, shared):
    if kind not in shared or shared[kind].process.poll() is not None:
        shared[kind] = Adapter(COMMANDS[kind])
    yield shared[kind]
    if shared[kind].is_busy:  # the test failed in the middle of a case
        shared.pop(kind).kill()


@pytest.fixture
def lane(request, server):
    return Lane(server, re.sub("[^a-z0-9]+", "-", request.node.name.lower())[-40:].strip("-"))
