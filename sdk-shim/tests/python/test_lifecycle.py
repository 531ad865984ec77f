"""Sandboxes: create, find, connect, lose the token, stop.  (n) = check number of the wire page."""

import uuid
from datetime import datetime, timedelta, timezone

import pytest
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models.sandbox import CreateSandboxParams, SandboxListParams

from conftest import IMAGE, create
from standbox_server import alive_with, eventually


def soon(seconds):
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def host_form(client, server, sandbox_id):
    """The sandbox's detail as a host-form deployment would hand it out."""
    detail = client.sandboxes.get_detail(sandbox_id)
    detail.runtime.base_url = f"http://{sandbox_id}.sbx.localhost:{server.port}"
    return detail


def sleepers(marker):
    return [command for command in alive_with(marker) if command == f"sleep {marker}"]


def assert_not_running(caught):
    error = caught.value
    assert (error.status_code, error.code, error.service, error.retryable) == (
        409,
        "sandbox_not_running",
        "runtime",
        False,
    )
    assert "not running" in str(error)


def test_create_answers_an_active_sandbox(client):
    sandbox = create(client, timeout_minutes=7, cpu=2, memory_mib=512)
    assert sandbox.status == "active"
    assert (sandbox.timeout_minutes, sandbox.cpu, sandbox.memory_mib) == (7, 2, 512)
    assert sandbox.exposed_ports == []
    assert sandbox.runtime.base_url.endswith(f"/sandbox/{sandbox.id}")
    sandbox.stop()


def test_environment_alone_points_the_sdk_here(server, connect, monkeypatch):
    monkeypatch.setenv("HYPERBROWSER_BASE_URL", server.url)
    monkeypatch.setenv("HYPERBROWSER_API_KEY", "test-key")
    sandbox = create(connect(server, base_url=None, api_key=None))
    assert sandbox.exec("echo here").stdout == "here\n"
    sandbox.stop()


def test_token_lives_long_enough(sandbox):
    """A token that ends within the minute would cost a request before every call."""
    assert sandbox.token_expires_at is None or sandbox.token_expires_at > soon(120)


def test_first_call_needs_no_refresh(client, sandbox, count_calls):
    """(3)"""
    gets = count_calls(client.sandboxes, "get_detail")
    assert sandbox.exec("echo hi").stdout == "hi\n"
    assert gets == []


def test_path_form_names_the_sandbox_in_the_path(sandbox):
    """(4)"""
    assert f"/sandbox/{sandbox.id}" in sandbox.runtime.base_url
    assert sandbox.exec("echo path").stdout == "path\n"


@pytest.mark.parametrize("slash", ["", "/"])
def test_host_form_knows_the_sandbox_by_its_host_alone(server, connect, slash):
    """(5) (6) (7) The sandbox is known by its Host alone."""
    client = connect(server, runtime_proxy_override=f"127.0.0.1:{server.port}")
    created = create(client)
    detail = host_form(client, server, created.id)
    detail.runtime.base_url += slash
    sandbox = client.sandboxes.attach(detail)

    assert sandbox.exec("echo host").stdout == "host\n"
    process = sandbox.processes.start("cat")
    process.write_stdin("typed", eof=True)
    assert sandbox.get_process(process.id).wait().stdout == "typed"
    assert process.id in [entry.id for entry in sandbox.processes.list().data]
    created.stop()


def test_host_form_keeps_sandboxes_apart(server, connect):
    """(5)"""
    client = connect(server, runtime_proxy_override=f"127.0.0.1:{server.port}")
    first, second = create(client), create(client)
    one = client.sandboxes.attach(host_form(client, server, first.id))
    two = client.sandboxes.attach(host_form(client, server, second.id))
    process = one.processes.start("read line")
    with pytest.raises(HyperbrowserError) as caught:
        two.get_process(process.id)
    assert caught.value.status_code == 404
    first.stop()
    second.stop()


def test_path_form_works_through_an_override(server, connect):
    """(7)"""
    client = connect(server, runtime_proxy_override=f"127.0.0.1:{server.port}")
    sandbox = create(client)
    assert sandbox.exec("echo both").stdout == "both\n"
    sandbox.stop()


def test_bases_with_a_trailing_slash_work(server, connect):
    """(6) The control plane is asked for //api/..., the runtime base gets a slash too."""
    client = connect(server, base_url=server.url + "/")
    detail = client.sandboxes.get_detail(create(client).id)
    detail.runtime.base_url += "/"
    sandbox = client.sandboxes.attach(detail)
    assert sandbox.exec("echo slash").stdout == "slash\n"
    sandbox.stop()


def test_bad_token_is_refreshed_once(client, sandbox, count_calls):
    """(8)"""
    detail = client.sandboxes.get_detail(sandbox.id)
    detail.token = "garbage"
    handle = client.sandboxes.attach(detail)
    gets = count_calls(client.sandboxes, "get_detail")
    assert handle.exec("echo once").stdout == "once\n"
    assert len(gets) == 1
    assert handle.exec("echo again").stdout == "again\n"
    assert len(gets) == 1


def test_token_is_checked_before_anything_runs(client, sandbox, count_calls):
    """(8) The refused first request must not have run the command."""
    detail = client.sandboxes.get_detail(sandbox.id)
    detail.token = "garbage"
    handle = client.sandboxes.attach(detail)
    assert handle.exec("echo x >> ran; cat ran").stdout == "x\n"


def test_token_of_another_sandbox_is_no_good(client, sandbox, count_calls):
    """(8)"""
    other = create(client)
    detail = client.sandboxes.get_detail(sandbox.id)
    detail.token = client.sandboxes.get_detail(other.id).token
    handle = client.sandboxes.attach(detail)
    gets = count_calls(client.sandboxes, "get_detail")
    assert handle.exec("echo own").stdout == "own\n"
    assert len(gets) == 1
    other.stop()


@pytest.mark.parametrize("seconds, refreshes", [(59, 1), (300, 0)])
def test_token_about_to_expire_is_refreshed_first(client, sandbox, count_calls, seconds, refreshes):
    """(11)"""
    detail = client.sandboxes.get_detail(sandbox.id)
    detail.token_expires_at = soon(seconds)
    handle = client.sandboxes.attach(detail)
    gets = count_calls(client.sandboxes, "get_detail")
    handle.exec("true")
    assert len(gets) == refreshes
    handle.exec("true")
    assert len(gets) == refreshes, "the refreshed token lives long"


def test_stop_closes_the_sandbox_and_its_handle(client, count_calls):
    """(12) (13) (14) A stopped handle refuses at home; a fresh GET has no token."""
    sandbox = create(client)
    assert sandbox.stop().success is True
    assert sandbox.status == "closed"

    gets = count_calls(client.sandboxes, "get_detail")
    with pytest.raises(HyperbrowserError) as caught:
        sandbox.exec("true")
    assert_not_running(caught)
    assert gets == []

    detail = client.sandboxes.get_detail(sandbox.id)
    assert (detail.status, detail.token) == ("closed", None)


def test_stopped_sandbox_cannot_be_connected_to(client):
    """(15)"""
    sandbox = create(client)
    sandbox.stop()
    with pytest.raises(HyperbrowserError) as caught:
        client.sandboxes.connect(sandbox.id)
    assert_not_running(caught)


def test_stopped_sandbox_refuses_a_handle_that_does_not_know(client):
    """(13) A handle that does not know yet is told so by the server."""
    sandbox = create(client)
    unaware = client.sandboxes.get(sandbox.id)
    sandbox.stop()
    with pytest.raises(HyperbrowserError) as caught:
        unaware.exec("true")
    assert_not_running(caught)


def test_second_stop_is_tolerated(client):
    """(14)"""
    sandbox = create(client)
    sandbox.stop()
    try:
        client.sandboxes.stop(sandbox.id)
    except HyperbrowserError as error:
        assert error.status_code in (404, 409)


@pytest.mark.parametrize("verb", ["get", "connect", "stop"])
def test_unknown_sandbox_is_not_found(client, verb):
    """(16) (54)"""
    with pytest.raises(HyperbrowserError) as caught:
        getattr(client.sandboxes, verb)(str(uuid.uuid4()))
    error = caught.value
    assert (error.status_code, error.service, error.retryable) == (404, "control", False)
    assert "not found" in str(error)
    assert error.request_id


def test_sandbox_can_be_connected_to_by_id(client, sandbox):
    again = client.sandboxes.connect(sandbox.id)
    assert again.id == sandbox.id
    assert again.exec("echo there").stdout == "there\n"


def test_processes_are_shared_between_handles(client, sandbox):
    process = sandbox.processes.start("read line; echo got:$line")
    again = client.sandboxes.connect(sandbox.id).get_process(process.id)
    again.write_stdin("word\n")
    assert again.wait().stdout == "got:word\n"


def test_files_are_shared_between_commands_only_inside(client, sandbox):
    other = create(client)
    sandbox.exec("echo mine > here")
    assert sandbox.exec("cat here").stdout == "mine\n"
    assert other.exec("cat here").exit_code != 0
    other.stop()


def test_list_filters_sandboxes_by_status(client, sandbox):
    closed = create(client)
    closed.stop()

    def ids(**query):
        found = client.sandboxes.list(SandboxListParams(limit=100, **query))
        return [entry.id for entry in found.sandboxes]

    assert {sandbox.id, closed.id} <= set(ids())
    assert sandbox.id in ids(status="active") and closed.id not in ids(status="active")
    assert closed.id in ids(status="closed") and sandbox.id not in ids(status="closed")


def test_list_pages_through_sandboxes(client, sandbox):
    others = [create(client) for _ in range(2)]
    seen, page = [], 1
    while True:
        answer = client.sandboxes.list(SandboxListParams(page=page, limit=1, status="active"))
        assert (answer.page, answer.per_page) == (page, 1)
        seen += [entry.id for entry in answer.sandboxes]
        if page >= answer.total_count:
            break
        page += 1
    assert len(seen) == len(set(seen)) == answer.total_count
    assert {sandbox.id, *[other.id for other in others]} <= set(seen)
    for other in others:
        other.stop()


def test_wrong_api_key_is_refused(own_server, connect):
    server = own_server("--api-key", "right")
    good = connect(server, api_key="right")
    sandbox = create(good)
    with pytest.raises(HyperbrowserError) as caught:
        connect(server, api_key="wrong").sandboxes.get(sandbox.id)
    assert (caught.value.status_code, caught.value.retryable) == (401, False)
    with pytest.raises(HyperbrowserError):
        connect(server, api_key="wrong").sandboxes.create(CreateSandboxParams(image_name=IMAGE))
    sandbox.stop()
    server.stop()


def test_stop_kills_what_runs(client):
    """(14) Also what left its session; open streams end."""
    marker = f"77{uuid.uuid4().int % 10**9}"
    sandbox = create(client)
    process = sandbox.processes.start(
        f"setsid sleep {marker} & (setsid sleep {marker} &) ; echo up; sleep {marker}"
    )
    events = process.stream()
    assert next(events).data == "up\n"
    eventually(lambda: len(sleepers(marker)) == 3, 10, "three sleepers")
    sandbox.stop()
    eventually(lambda: not alive_with(marker), 2, "sleepers dead after stop")
    try:
        assert process.wait(timeout_ms=10_000).status == "killed"
    except HyperbrowserError as error:
        assert error.code == "incomplete_output"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_nothing_outlives_the_server(own_server, connect, end):
    """SIGTERM: an orderly end with exit code 0.  SIGKILL: dead all the same."""
    server = own_server()
    marker = f"78{uuid.uuid4().int % 10**9}"
    sandbox = create(connect(server))
    sandbox.processes.start(f"trap '' TERM; setsid sleep {marker} & sleep {marker}; sleep {marker}")
    eventually(lambda: len(sleepers(marker)) == 2, 10, "two sleepers")
    if end == "stop":
        server.stop()
    else:
        server.kill()
        server.assert_nothing_survives(seconds=5)
    assert not alive_with(marker)
