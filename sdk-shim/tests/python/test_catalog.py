"""Images, snapshots, volumes, ports, network: what a sandbox's life touches, and what is refused.

(n) = check number of the wire page.
"""

import uuid

import pytest
from hyperbrowser.exceptions import HyperbrowserError
from hyperbrowser.models.sandbox import (
    CreateSandboxParams,
    SandboxExposeParams,
    SandboxImageListParams,
    SandboxMemorySnapshotParams,
    SandboxNetworkPolicy,
    SandboxSnapshotListParams,
    StartSandboxFromSnapshotParams,
)
from hyperbrowser.models.volume import CreateVolumeParams

from conftest import create


def control_error(call):
    with pytest.raises(HyperbrowserError) as caught:
        call()
    error = caught.value
    assert (error.service, error.retryable) == ("control", False)
    assert error.request_id
    return error


def unique(word):
    return f"{word}-{uuid.uuid4().hex[:8]}"


def test_listed_image_can_be_started(client):
    listing = client.sandboxes.list_images(SandboxImageListParams(page=1, limit=10))
    assert listing.images
    image = listing.images[0]
    assert image.id and image.namespace and image.image_name
    sandbox = client.sandboxes.create(CreateSandboxParams(image_name=image.image_name))
    assert sandbox.exec("echo started").stdout == "started\n"
    sandbox.stop()


def test_image_search_finds_nothing_by_an_unknown_name(client):
    assert client.sandboxes.list_images(SandboxImageListParams(search=unique("none"))).images == []


def test_snapshot_can_be_made_found_started_and_deleted(client, sandbox):
    name = unique("snap")
    made = sandbox.create_memory_snapshot(SandboxMemorySnapshotParams(snapshot_name=name))
    assert made.snapshot_name == name
    assert all([made.snapshot_id, made.namespace, made.image_name, made.image_id, made.image_namespace])

    found = client.sandboxes.get_snapshot(name)
    assert (found.id, found.snapshot_name, found.status) == (made.snapshot_id, name, "created")
    listing = client.sandboxes.list_snapshots(SandboxSnapshotListParams(search=name))
    assert [entry.id for entry in listing.snapshots] == [made.snapshot_id]

    again = client.sandboxes.start_from_snapshot(StartSandboxFromSnapshotParams(snapshot_name=name))
    assert again.status == "active" and again.id != sandbox.id
    assert again.exec("echo started").stdout == "started\n"
    again.stop()

    assert client.sandboxes.delete_snapshot(name).deleted
    assert control_error(lambda: client.sandboxes.get_snapshot(name)).status_code == 404
    listing = client.sandboxes.list_snapshots(SandboxSnapshotListParams(search=name))
    assert listing.snapshots == []


def test_unknown_snapshot_cannot_be_started(client):
    params = CreateSandboxParams(snapshot_name=unique("none"))
    error = control_error(lambda: client.sandboxes.create(params))
    assert error.status_code == 404
    assert "snapshot not found" in str(error).lower()


def test_deleted_image_cannot_be_started(client):
    name = unique("image")
    client.sandboxes.create(CreateSandboxParams(image_name=name)).stop()
    assert client.sandboxes.delete_image(name).deleted
    error = control_error(lambda: client.sandboxes.create(CreateSandboxParams(image_name=name)))
    assert error.status_code == 404
    assert "image not found" in str(error).lower()


def test_missing_image_can_be_had_by_its_name(client):
    name = unique("missing")
    error = control_error(lambda: client.sandboxes.create(CreateSandboxParams(image_name=name)))
    assert error.status_code == 404
    assert "image not found" in str(error).lower()


def test_stopped_sandbox_has_no_memory_to_snapshot(client):
    sandbox = create(client)
    sandbox.stop()
    error = control_error(lambda: client.sandboxes.create_memory_snapshot(sandbox.id))
    assert error.status_code == 409
    assert "Sandbox is not running" in str(error)


def test_volume_can_be_made_found_and_deleted(client):
    name = unique("volume")
    made = client.volumes.create(CreateVolumeParams(name=name))
    assert made.id and made.name == name
    assert client.volumes.get(made.id).name == name
    assert made.id in [entry.id for entry in client.volumes.list().volumes]
    assert client.volumes.delete(made.id).deleted
    assert made.id not in [entry.id for entry in client.volumes.list().volumes]


def test_exposed_port_appears_and_goes(client, sandbox):
    exposed = sandbox.expose(SandboxExposeParams(port=3000, auth=False))
    assert (exposed.port, exposed.auth) == (3000, False)
    assert exposed.url.startswith("http")
    assert [entry.port for entry in client.sandboxes.get_detail(sandbox.id).exposed_ports] == [3000]
    gone = sandbox.unexpose(3000)
    assert (gone.port, gone.exposed) == (3000, False)
    assert client.sandboxes.get_detail(sandbox.id).exposed_ports == []


def test_reserved_port_cannot_be_exposed(sandbox):
    error = control_error(lambda: sandbox.expose(SandboxExposeParams(port=4001)))
    assert error.status_code == 400
    assert "cannot be exposed" in str(error)


def test_network_policy_is_kept(client, sandbox):
    policy = SandboxNetworkPolicy(allow_internet_access=False, allow_out=["10.0.0.0/8"])
    sandbox.update_network(policy)
    kept = client.sandboxes.get_detail(sandbox.id).network
    assert (kept.allow_internet_access, kept.allow_out) == (False, ["10.0.0.0/8"])


def test_secrets_are_refused_by_name(sandbox):
    """Nothing runs: secrets are another service of the vendor's."""
    with pytest.raises(HyperbrowserError) as caught:
        sandbox.exec("touch ran", secrets={"KEY": "name"})
    assert (caught.value.status_code, caught.value.code) == (403, "SECRETS_FEATURE_DISABLED")
    assert sandbox.exec("test -e ran").exit_code == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda sandbox: sandbox.files.read_text("/etc/hostname"),
        lambda sandbox: sandbox.files.list("/"),
        lambda sandbox: sandbox.files.write_text("/tmp/file", "text"),
        lambda sandbox: sandbox.terminal.create({"command": "bash"}),
        lambda sandbox: sandbox.terminal.get("pty_unknown"),
    ],
    ids=["files.read", "files.list", "files.write", "terminal.create", "terminal.get"],
)
def test_what_is_not_there_yet_says_so(sandbox, call):
    """Not a 404 that looks like a missing file, and nothing that a client would retry."""
    with pytest.raises(HyperbrowserError) as caught:
        call(sandbox)
    error = caught.value
    assert (error.status_code, error.code) == (501, "not_supported")
    assert (error.service, error.retryable) == ("runtime", False)
    assert "not supported yet" in str(error)
    assert error.request_id


def test_upload_is_refused_as_not_there_and_not_for_its_type(sandbox):
    """Its body is no JSON."""
    with pytest.raises(HyperbrowserError) as caught:
        sandbox.files.upload("/tmp/file", b"bytes")
    assert (caught.value.status_code, caught.value.code) == (501, "not_supported")
    assert caught.value.retryable is False
