// Starts the server under test, proves that it leaves nothing behind, and finds the SDK.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";

const BINARY = process.env.STANDBOX_SERVER;
const READY_KEYS = ["standbox", "http", "grpc", "admin", "admin_token", "pid"];
const READY_MS = 20_000;
const STOP_MS = 15_000;
const TEST_MS = 60_000;
const REAP_MS = 2_000; // a killed process may need a moment to leave /proc

const ORDINARY_SPAWN_MS = 5;
const MOST_SLOWNESS = 10;
const STDERR_LINES = 40;
const STACKS = fileURLToPath(new URL("../stacks", import.meta.url));
const LOGS = process.env.STANDBOX_LOGS || tmpdir();
const PATIENCE = Number(process.env.STANDBOX_PATIENCE || 1);

export const ISOLATION = process.env.STANDBOX_ISOLATION || "auto";
const SERVER_USER = process.env.STANDBOX_SERVER_USER;
export const IMAGE = "node";

function identity(user) {
  if (!user) return {};
  const [, , uid, gid] = execFileSync("getent", ["passwd", user], { encoding: "utf8" }).split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

// Who is not root needs a user namespace to run a command as root, whatever the isolation.
export const hasRoot =
  (process.getuid() === 0 && !SERVER_USER) || spawnSync("unshare", ["-Ur", "true"], identity(SERVER_USER)).status === 0;

// The tests live in the repository, the SDK in the build folder.
const require = createRequire(join(process.env.STANDBOX_NODE_DIR, "package.json"));
export const { Hyperbrowser, HyperbrowserError } = require("@hyperbrowser/sdk");

// How much slower than an ordinary idle machine this one is at the moment, 1 at least.
// Starting a program wakes, forks and schedules, like everything the tests do.
function slowness() {
  const start = performance.now();
  for (let n = 0; n < 10; n += 1) spawnSync("/bin/true");
  const spawnMs = (performance.now() - start) / 10;
  return Math.min(Math.max(spawnMs / ORDINARY_SPAWN_MS, 1), MOST_SLOWNESS) * PATIENCE;
}

// So many milliseconds on an ordinary idle machine; on a busy one more, measured when they are over.
export class Deadline {
  constructor(ms) {
    this.ms = ms;
    this.begin = performance.now();
  }

  left() {
    const elapsed = performance.now() - this.begin;
    return elapsed < this.ms ? this.ms - elapsed : Math.max(this.ms * slowness() - elapsed, 0);
  }

  // Settles as `promise` does; calls `late` when it has not in time.
  async guard(promise, late) {
    let timer;
    const ring = () => {
      const left = this.left();
      if (left <= 0) late();
      else timer = setTimeout(ring, left);
    };
    timer = setTimeout(ring, this.left());
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

export async function eventually(condition, ms, what) {
  const deadline = new Deadline(ms);
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    assert.ok(deadline.left() > 0, `not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function processes() {
  const table = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const command = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ").trim();
      table.set(Number(name), { parent: Number(fields[1]), state: fields[0], start: fields[19], command });
    } catch {
      // gone in the meantime
    }
  }
  return table;
}

const isAlive = (entry) => entry !== undefined && !"ZX".includes(entry.state);

// The living tree below `root`: pid and start time, so that a pid used again is no survivor.
function descendants(root) {
  const table = processes();
  const found = [];
  let fresh = [root];
  while (fresh.length > 0) {
    fresh = [...table.keys()].filter((pid) => fresh.includes(table.get(pid).parent));
    found.push(...fresh.map((pid) => ({ pid, ...table.get(pid) })));
  }
  return found.filter(isAlive);
}

export const aliveWith = (marker) =>
  [...processes().values()].filter((entry) => isAlive(entry) && entry.command.includes(marker));

export class Server {
  static async start(...options) {
    const server = new Server();
    server.output = "";
    // The usual soft limit of open files: raising it is the server's business.  It ends when we are killed.
    server.child = spawn(
      "/bin/sh",
      ["-c", 'ulimit -S -n 1024; exec setpriv --pdeathsig TERM "$0" "$@"', BINARY, "--http", "127.0.0.1:0", ...options],
      { stdio: ["ignore", "pipe", "pipe"], ...identity(SERVER_USER) },
    );
    server.child.stderr.on("data", (chunk) => (server.output += chunk));
    server.ended = new Promise((resolve) => server.child.on("exit", (code, name) => resolve(name ?? code)));
    server.ready = JSON.parse(await server.#readyLine());
    for (const key of READY_KEYS) assert.ok(key in server.ready, `no ${key} in the ready line`);
    assert.equal(server.ready.pid, server.child.pid);
    server.url = server.ready.http;
    server.port = new URL(server.url).port;
    return server;
  }

  // What the server had to say last.
  stderr() {
    const lines = this.output.trimEnd().split("\n").slice(-STDERR_LINES);
    return ["--- server stderr, its end ---", ...lines].join("\n");
  }

  #readyLine() {
    const line = new Promise((resolve, reject) => {
      let text = "";
      this.child.on("error", reject);
      this.child.stdout.on("data", (chunk) => {
        text += chunk;
        if (text.endsWith("\n")) resolve(text);
      });
      this.ended.then((code) => reject(new Error(`the server ended (${code}) before it was ready\n${this.stderr()}`)));
    });
    return new Deadline(READY_MS).guard(line, () => this.child.kill("SIGKILL"));
  }

  #killHanging() {
    const stacks = join(LOGS, `hang-${this.child.pid}.txt`);
    spawnSync(STACKS, [String(this.child.pid), stacks]);
    this.output += `\nstill there ${STOP_MS} ms after SIGTERM, see ${stacks}\n`;
    this.child.kill("SIGKILL");
  }

  // SIGTERM, and everything that has to be true afterwards.
  async stop() {
    const tree = descendants(this.child.pid);
    this.child.kill("SIGTERM");
    const code = await new Deadline(STOP_MS).guard(this.ended, () => this.#killHanging());
    const survivors = () => {
      const table = processes();
      return tree.filter(({ pid, start }) => isAlive(table.get(pid)) && table.get(pid).start === start);
    };
    try {
      assert.equal(code, 0, `exit ${code} after SIGTERM\n${this.stderr()}`);
      await eventually(() => survivors().length === 0, REAP_MS, `no survivors of ${JSON.stringify(tree)}`);
    } finally {
      // What a failed test left running must not stay on the machine.
      for (const { pid } of survivors()) process.kill(pid, "SIGKILL");
    }
  }
}

// One server for the whole file; `.now` is there once the tests run.
export function serverForThisFile() {
  const holder = {};
  before(async () => {
    holder.now = await Server.start(`--isolation=${ISOLATION}`);
  });
  after(async () => {
    await holder.now?.stop();
  });
  return holder;
}

export const connect = (server, options = {}) =>
  new Hyperbrowser({ apiKey: "test-key", baseUrl: server.url, ...options });

export const create = (client, params = {}) => client.sandboxes.create({ imageName: IMAGE, ...params });

// A sandbox for the length of `work`, which must not take longer than `ms`.
export async function withSandbox(server, work, { ms = TEST_MS, ...options } = {}) {
  const client = connect(server, options);
  const sandbox = await create(client);
  let late;
  const tooLate = new Promise((_, reject) => {
    late = () => reject(new Error(`took longer than ${ms} ms`));
  });
  try {
    return await new Deadline(ms).guard(Promise.race([work(sandbox, client), tooLate]), late);
  } catch (error) {
    console.error(`${error?.message}\n${server.stderr()}`);
    throw error;
  } finally {
    if (sandbox.status === "active") await sandbox.stop();
  }
}

// The error that `call` must end with.
export async function caught(call) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof HyperbrowserError, `expected a HyperbrowserError, got ${error}`);
  return error;
}

export async function refusal(call) {
  const error = await caught(call);
  assert.equal(error.service, "runtime");
  assert.equal(error.retryable, false);
  assert.ok(error.requestId);
  return error;
}

// Counts the calls of `owner[name]` that are passed on.
export function countCalls(owner, name) {
  const calls = [];
  const original = owner[name].bind(owner);
  owner[name] = (...args) => {
    calls.push(args);
    return original(...args);
  };
  return calls;
}

export async function collect(events) {
  const all = [];
  for await (const event of events) all.push(event);
  const exit = all.pop();
  assert.equal(exit?.type, "exit");
  assert.ok(all.every((event) => event.type !== "exit"));
  return { output: all, result: exit.result };
}

export const text = (output, kind = "stdout") =>
  output
    .filter((event) => event.type === kind)
    .map((event) => event.data)
    .join("");

// Reads until the text ends with `marker`.
export async function until(events, marker) {
  let got = "";
  while (!got.endsWith(marker)) {
    const { value, done } = await events.next();
    assert.ok(!done && value.type !== "exit", `ended before ${JSON.stringify(marker)}: ${got}`);
    got += value.data;
  }
  return got;
}

// The first output; the stream is left then.
export async function first(process) {
  const events = process.stream();
  const { value } = await events.next();
  await events.return();
  return value.data;
}
