// What the Node tests of the scenario library stand on: a lane of its own for each, and the admin API.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, it } from "node:test";
import { fileURLToPath } from "node:url";

import { connect, create, Deadline, eventually, ISOLATION, Server } from "../node/harness.mjs";

const LIBRARY = fileURLToPath(new URL("../../../fixtures/scenarios/", import.meta.url));
const FILES = new Map(
  readdirSync(LIBRARY)
    .flatMap((area) => readdirSync(join(LIBRARY, area)).map((name) => join(LIBRARY, area, name)))
    .map((path) => [basename(path, ".json"), path]),
);
const TEST_MS = 60_000;
const WAIT_MS = 20_000;

let server;
before(async () => {
  server = await Server.start(`--isolation=${ISOLATION}`);
});
after(async () => {
  await server?.stop();
});

// A world of its own: the API key chooses it, one scenario is at work in it.
class Lane {
  static async open(name) {
    const lane = new Lane();
    lane.name = name;
    lane.key = `lib-${name}`;
    await lane.call("POST", "/scenarios", readFileSync(FILES.get(name)));
    lane.sandbox = await create(lane.client());
    return lane;
  }

  client(options = {}) {
    return connect(server, { apiKey: this.key, ...options });
  }

  async call(method, path, body, query = `?lane=${encodeURIComponent(this.key)}`) {
    const answer = await fetch(`${server.ready.admin}${path}${query}`, {
      method,
      headers: { "X-Standbox-Token": server.ready.admin_token, "Content-Type": "application/json" },
      body: body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  // Lets go who stands at the barrier, once there is somebody.
  async open(barrier) {
    await this.call("POST", "/barriers/wait", { name: barrier, timeout_ms: WAIT_MS });
    await this.call("POST", "/barriers/open", { name: barrier });
  }

  async awaitProcess(process, soFar) {
    const { processes } = await this.call("POST", "/processes/wait", { id: process.id, timeout_ms: WAIT_MS, ...soFar });
    return processes[0];
  }

  awaitFact(fact, which = {}) {
    return this.call("POST", "/facts/wait", { fact, timeout_ms: WAIT_MS, ...which });
  }

  async countRequests(op) {
    return (await this.call("POST", "/requests/count", { op })).count;
  }

  async processes() {
    return (await this.call("GET", "/processes")).sandboxes.flatMap((sandbox) => sandbox.processes);
  }

  async truth(process) {
    return (await this.processes()).find((entry) => entry.id === process.id);
  }

  // A fault is accounted for when its request is over for the server, which may be after the client has gone.
  async assertAllFired() {
    const rules = async () => {
      const { scenarios } = await this.call("GET", "/scenarios");
      const state = scenarios.find((entry) => entry.name === this.name);
      return [...state.processes, ...state.faults];
    };
    const hasFired = async () => (await rules()).every(({ planned, fired }) => planned === fired);
    try {
      await eventually(hasFired, 5_000, "all rules fired");
    } catch {
      assert.fail(JSON.stringify([await rules(), await this.call("GET", "/near-misses")], null, 1));
    }
  }

  close() {
    return this.call("DELETE", `/lanes/${encodeURIComponent(this.key)}`, undefined, "");
  }
}

// A test of a scenario; when it has passed, every rule must have fired as often as planned.
export function scenario(name, claim, work) {
  it(`${name}: ${claim}`, async () => {
    const lane = await Lane.open(name);
    let late;
    const tooLate = new Promise((_, reject) => {
      late = () => reject(new Error(`took longer than ${TEST_MS} ms`));
    });
    try {
      await new Deadline(TEST_MS).guard(Promise.race([work(lane), tooLate]), late);
      await lane.assertAllFired();
    } catch (error) {
      console.error(`${error?.message}\n${server.stderr()}`);
      throw error;
    } finally {
      await lane.close();
    }
  });
}

// The same events; each that is taken is put into `seen`.
export async function* noting(events, seen) {
  for await (const event of events) {
    seen.push(event);
    yield event;
  }
}

// All events until the stream ends or breaks, and what broke it.
export async function drain(events) {
  const got = [];
  try {
    for await (const event of events) got.push(event);
  } catch (error) {
    return { got, error };
  }
  return { got };
}
