// Starts the server under test, proves that it leaves nothing behind, and finds the SDK.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before } from "node:test";

const BINARY = process.env.STANDBOX_SERVER;
const READY_KEYS = ["standbox", "http", "grpc", "admin", "admin_token", "pid"];
const READY_MS = 20_000;
const STOP_MS = 15_000;
const REAP_MS = 2_000; // a killed process may need a moment to leave /proc

export const ISOLATION = process.env.STANDBOX_ISOLATION ?? "auto";
export const IMAGE = "node";
// Without namespaces a process can only be what the server is.
export const rootIsReal = ISOLATION !== "none" || process.getuid() === 0;

// The tests live in the repository, the SDK in the build folder.
const require = createRequire(join(process.env.STANDBOX_NODE_DIR, "package.json"));
export const { Hyperbrowser, HyperbrowserError } = require("@hyperbrowser/sdk");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function eventually(condition, ms, what) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
    await sleep(20);
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
    server.stderr = "";
    server.child = spawn(BINARY, ["--http", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "pipe"] });
    server.child.stderr.on("data", (chunk) => (server.stderr += chunk));
    server.ended = new Promise((resolve) => server.child.on("exit", (code, name) => resolve(name ?? code)));
    server.ready = JSON.parse(await server.#readyLine());
    for (const key of READY_KEYS) assert.ok(key in server.ready, `no ${key} in the ready line`);
    assert.equal(server.ready.pid, server.child.pid);
    server.url = server.ready.http;
    server.port = new URL(server.url).port;
    return server;
  }

  #readyLine() {
    return new Promise((resolve, reject) => {
      let line = "";
      const fail = (why) => reject(new Error(`${why}\n--- server stderr ---\n${this.stderr}`));
      const timer = setTimeout(() => fail(`no ready line in ${READY_MS} ms`), READY_MS);
      this.child.on("error", (error) => fail(error.message));
      this.child.stdout.on("data", (chunk) => {
        line += chunk;
        if (!line.endsWith("\n")) return;
        clearTimeout(timer);
        resolve(line);
      });
      this.ended.then((code) => {
        clearTimeout(timer);
        fail(`the server ended (${code}) before it was ready`);
      });
    });
  }

  // SIGTERM, and everything that has to be true afterwards.
  async stop() {
    const tree = descendants(this.child.pid);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), STOP_MS);
    this.child.kill("SIGTERM");
    const code = await this.ended;
    clearTimeout(timer);
    assert.equal(code, 0, `exit ${code} after SIGTERM\n--- server stderr ---\n${this.stderr}`);
    const survivors = () => {
      const table = processes();
      return tree.filter(({ pid, start }) => isAlive(table.get(pid)) && table.get(pid).start === start);
    };
    await eventually(() => survivors().length === 0, REAP_MS, `no survivors of ${JSON.stringify(tree)}`);
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

// A sandbox for the length of `work`.
export async function withSandbox(server, work, options) {
  const client = connect(server, options);
  const sandbox = await create(client);
  try {
    return await work(sandbox, client);
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

export const first = async (process) => {
  const events = process.stream();
  const { value } = await events.next();
  await events.return();
  return value.data;
};
