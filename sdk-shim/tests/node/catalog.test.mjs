// Images, snapshots, ports, network: what a sandbox's life touches, and what is refused.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { caught, connect, create, refusal, serverForThisFile, withSandbox } from "./harness.mjs";

const server = serverForThisFile();
const given = (work, options) => () => withSandbox(server.now, work, options);
const unique = (word) => `${word}-${randomUUID().slice(0, 8)}`;

async function controlError(call) {
  const error = await caught(call);
  assert.deepEqual([error.service, error.retryable], ["control", false]);
  assert.ok(error.requestId);
  return error;
}

describe("images and snapshots", () => {
  it("a listed image can be started", async () => {
    const client = connect(server.now);
    const { images } = await client.sandboxes.listImages();
    assert.ok(images.length > 0);
    assert.ok(images[0].id && images[0].namespace && images[0].imageName);
    const sandbox = await client.sandboxes.create({ imageName: images[0].imageName });
    assert.equal((await sandbox.exec("echo started")).stdout, "started\n");
    await sandbox.stop();
  });

  it(
    "a snapshot can be made, found, started and deleted",
    given(async (sandbox, client) => {
      const snapshotName = unique("snap");
      const made = await sandbox.createMemorySnapshot({ snapshotName });
      assert.equal(made.snapshotName, snapshotName);
      assert.ok(made.snapshotId && made.namespace && made.imageName && made.imageId && made.imageNamespace);
      const found = await client.sandboxes.getSnapshot(snapshotName);
      assert.deepEqual([found.id, found.snapshotName], [made.snapshotId, snapshotName]);
      const { snapshots } = await client.sandboxes.listSnapshots({ search: snapshotName });
      assert.deepEqual(
        snapshots.map((entry) => entry.id),
        [made.snapshotId],
      );
      const again = await client.sandboxes.create({ snapshotName });
      assert.equal((await again.exec("echo started")).stdout, "started\n");
      await again.stop();
      assert.ok((await client.sandboxes.deleteSnapshot(snapshotName)).deleted);
      assert.equal((await controlError(() => client.sandboxes.getSnapshot(snapshotName))).statusCode, 404);
    }),
  );

  it("an unknown snapshot cannot be started", async () => {
    const error = await controlError(() => connect(server.now).sandboxes.create({ snapshotName: unique("none") }));
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /snapshot not found/i);
  });

  it("a stopped sandbox has no memory to snapshot", async () => {
    const client = connect(server.now);
    const sandbox = await create(client);
    await sandbox.stop();
    const error = await controlError(() => sandbox.createMemorySnapshot());
    assert.equal(error.statusCode, 409);
    assert.match(error.message, /Sandbox is not running/);
  });
});

describe("ports and network", () => {
  it(
    "an exposed port appears and goes",
    given(async (sandbox, client) => {
      const exposed = await sandbox.expose({ port: 3000, auth: false });
      assert.deepEqual([exposed.port, exposed.auth], [3000, false]);
      assert.match(exposed.url, /^http/);
      const ports = async () => (await client.sandboxes.getDetail(sandbox.id)).exposedPorts.map((entry) => entry.port);
      assert.deepEqual(await ports(), [3000]);
      assert.equal((await sandbox.unexpose(3000)).exposed, false);
      assert.deepEqual(await ports(), []);
    }),
  );

  it(
    "the reserved port cannot be exposed",
    given(async (sandbox) => {
      const error = await controlError(() => sandbox.expose({ port: 4001 }));
      assert.equal(error.statusCode, 400);
      assert.match(error.message, /cannot be exposed/);
    }),
  );

  it(
    "the network policy is kept",
    given(async (sandbox, client) => {
      await sandbox.updateNetwork({ allowInternetAccess: false, denyOut: ["10.0.0.0/8"] });
      const { network } = await client.sandboxes.getDetail(sandbox.id);
      assert.deepEqual([network.allowInternetAccess, network.denyOut], [false, ["10.0.0.0/8"]]);
    }),
  );

  for (const values of [{ cpu: 0 }, { cpu: -1 }, { memoryMiB: 1.5 }]) {
    it(`create refuses ${JSON.stringify(values)}, which this SDK lets through`, async () => {
      const error = await controlError(() => create(connect(server.now), values));
      assert.equal(error.statusCode, 400);
    });
  }
});

describe("what is not there yet says so", () => {
  const calls = {
    "files.readText": (sandbox) => sandbox.files.readText("/etc/hostname"),
    "files.list": (sandbox) => sandbox.files.list("/"),
    "files.writeText": (sandbox) => sandbox.files.writeText("/tmp/file", "text"),
    "terminal.create": (sandbox) => sandbox.terminal.create({ command: "bash" }),
    "terminal.get": (sandbox) => sandbox.terminal.get("pty_unknown"),
  };
  for (const [name, call] of Object.entries(calls)) {
    it(
      name,
      given(async (sandbox) => {
        const error = await refusal(() => call(sandbox));
        assert.deepEqual([error.statusCode, error.code], [501, "not_supported"]);
        assert.match(error.message, /not supported yet/);
      }),
    );
  }

  it(
    "files.upload, whose body is no JSON, is not refused for that",
    given(async (sandbox) => {
      const error = await refusal(() => sandbox.files.upload("/tmp/file", Buffer.from("bytes")));
      assert.deepEqual([error.statusCode, error.code], [501, "not_supported"]);
    }),
  );
});
