// Sandboxes: create, find, connect, lose the token, stop.  (n) = check number of the wire page.
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import {
  aliveWith,
  caught,
  collect,
  connect,
  countCalls,
  create,
  eventually,
  first,
  HyperbrowserError,
  ISOLATION,
  Server,
  serverForThisFile,
  text,
  withSandbox,
} from "./harness.mjs";

const server = serverForThisFile();
const given = (work, options) => () => withSandbox(server.now, work, options);

function assertNotRunning(error) {
  assert.deepEqual(
    [error.statusCode, error.code, error.service, error.retryable],
    [409, "sandbox_not_running", "runtime", false],
  );
  assert.match(error.message, /not running/);
}

async function hostForm(client, id) {
  const detail = await client.sandboxes.getDetail(id);
  detail.runtime.baseUrl = `http://${id}.sbx.localhost:${server.now.port}`;
  return client.sandboxes.attach(detail);
}

const override = () => ({ runtimeProxyOverride: `127.0.0.1:${server.now.port}` });

describe("sandbox lifecycle", () => {
  it("create answers an active sandbox", async () => {
    const client = connect(server.now);
    const sandbox = await create(client, { timeoutMinutes: 7, cpu: 2, memoryMiB: 512 });
    assert.deepEqual(
      [sandbox.status, sandbox.timeoutMinutes, sandbox.cpu, sandbox.memoryMiB],
      ["active", 7, 2, 512],
    );
    assert.deepEqual(sandbox.exposedPorts, []);
    assert.ok(sandbox.runtime.baseUrl.endsWith(`/sandbox/${sandbox.id}`));
    assert.ok(Date.parse(sandbox.tokenExpiresAt) > Date.now() + 120_000);
    await sandbox.stop();
  });

  it(
    "(3) (4) the first call needs no refresh",
    given(async (sandbox, client) => {
      const gets = countCalls(client.sandboxes, "getDetail");
      assert.equal((await sandbox.exec("echo hi")).stdout, "hi\n");
      assert.equal(gets.length, 0);
    }),
  );

  it("(5) (7) host form: the sandbox is known by its Host alone", async () => {
    await withSandbox(
      server.now,
      async (created, client) => {
        const sandbox = await hostForm(client, created.id);
        assert.equal((await sandbox.exec("echo host")).stdout, "host\n");
        const process = await sandbox.processes.start("cat");
        await process.writeStdin({ data: "typed", eof: true });
        assert.equal((await process.wait()).stdout, "typed");
        assert.equal(text((await collect(process.stream())).output), "typed");
        const { data } = await sandbox.processes.list();
        assert.ok(data.some((entry) => entry.id === process.id));
      },
      override(),
    );
  });

  it("(7) path form through an override", async () => {
    await withSandbox(
      server.now,
      async (sandbox) => assert.equal((await sandbox.exec("echo both")).stdout, "both\n"),
      override(),
    );
  });

  it("(6) bases with a trailing slash", async () => {
    const client = connect(server.now, { baseUrl: `${server.now.url}/` });
    const detail = await client.sandboxes.getDetail((await create(client)).id);
    detail.runtime.baseUrl += "/";
    const sandbox = client.sandboxes.attach(detail);
    assert.equal((await sandbox.exec("echo slash")).stdout, "slash\n");
    await sandbox.stop();
  });

  it(
    "(8) a bad token is refreshed once, and nothing has run before",
    given(async (sandbox, client) => {
      const detail = await client.sandboxes.getDetail(sandbox.id);
      const handle = client.sandboxes.attach({ ...detail, token: "garbage" });
      const gets = countCalls(client.sandboxes, "getDetail");
      assert.equal((await handle.exec("echo x >> ran; cat ran")).stdout, "x\n");
      assert.equal(gets.length, 1);
      await handle.exec("true");
      assert.equal(gets.length, 1);
    }),
  );

  for (const [seconds, refreshes] of [
    [59, 1],
    [300, 0],
  ]) {
    it(
      `(11) a token with ${seconds} s to live`,
      given(async (sandbox, client) => {
        const detail = await client.sandboxes.getDetail(sandbox.id);
        const tokenExpiresAt = new Date(Date.now() + seconds * 1000).toISOString();
        const handle = client.sandboxes.attach({ ...detail, tokenExpiresAt });
        const gets = countCalls(client.sandboxes, "getDetail");
        await handle.exec("true");
        await handle.exec("true");
        assert.equal(gets.length, refreshes);
      }),
    );
  }

  it("(12) (13) (14) (15) stop closes", async () => {
    const client = connect(server.now);
    const sandbox = await create(client);
    const unaware = await client.sandboxes.get(sandbox.id);
    assert.equal((await sandbox.stop()).success, true);
    assert.equal(sandbox.status, "closed");

    const gets = countCalls(client.sandboxes, "getDetail");
    assertNotRunning(await caught(() => sandbox.exec("true")));
    assert.equal(gets.length, 0);
    assertNotRunning(await caught(() => unaware.exec("true")));
    assertNotRunning(await caught(() => client.sandboxes.connect(sandbox.id)));

    const detail = await client.sandboxes.getDetail(sandbox.id);
    assert.deepEqual([detail.status, detail.token], ["closed", null]);
  });

  for (const verb of ["get", "connect", "stop"]) {
    it(`(16) (54) ${verb} of an unknown sandbox`, async () => {
      const error = await caught(() => connect(server.now).sandboxes[verb](randomUUID()));
      assert.deepEqual([error.statusCode, error.service, error.retryable], [404, "control", false]);
      assert.match(error.message, /not found/);
      assert.ok(error.requestId);
    });
  }

  it(
    "list without any query",
    given(async (sandbox, client) => {
      const listing = await client.sandboxes.list();
      assert.ok(listing.sandboxes.some((entry) => entry.id === sandbox.id));
      assert.ok(listing.totalCount >= 1 && listing.page === 1 && listing.perPage >= 1);
      const closed = await client.sandboxes.list({ status: "closed", limit: 100 });
      assert.ok(closed.sandboxes.every((entry) => entry.status === "closed"));
    }),
  );

  it("(14) stop kills what runs, and open streams end", async () => {
    const client = connect(server.now);
    const sandbox = await create(client);
    const marker = `79${randomInt(10 ** 9)}`;
    const process = await sandbox.processes.start(`setsid sleep ${marker} & echo up; sleep ${marker}`);
    const events = process.stream();
    assert.equal((await events.next()).value.data, "up\n");
    const sleepers = () => aliveWith(marker).filter((entry) => entry.command === `sleep ${marker}`);
    await eventually(() => sleepers().length === 2, 10_000, "two sleepers");
    await sandbox.stop();
    await eventually(() => aliveWith(marker).length === 0, 2_000, "sleepers dead after stop");
    for (let step = await events.next(); !step.done; step = await events.next()) {
      assert.equal(step.value.type, "exit");
      assert.equal(step.value.result.status, "killed");
    }
  });

  it("(14) stop ends an exec under way", async () => {
    const client = connect(server.now);
    const sandbox = await create(client);
    const under = sandbox.exec("sleep 300").catch((error) => error);
    const running = async () => (await sandbox.processes.list({ status: "running" })).data.length;
    await eventually(async () => (await running()) === 1, 10_000, "a running process");
    await sandbox.stop();
    const end = await under;
    if (end instanceof HyperbrowserError) assert.equal(end.code, "sandbox_not_running");
    else assert.equal(end.status, "killed");
  });

  it("nothing outlives the server", async () => {
    const own = await Server.start(`--isolation=${ISOLATION}`);
    const sandbox = await create(connect(own));
    const marker = `80${randomInt(10 ** 9)}`;
    const command = `trap '' TERM; echo up; setsid sleep ${marker} & sleep ${marker}; wait`;
    const process = await sandbox.processes.start(command);
    assert.equal(await first(process), "up\n");
    await own.stop();
    assert.deepEqual(aliveWith(marker), []);
  });
});
