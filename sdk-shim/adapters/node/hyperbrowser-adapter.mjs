#!/usr/bin/env node
// Adapter for the Node SDK `@hyperbrowser/sdk`.  It is looked for in the folder that --modules or
// STANDBOX_NODE_MODULES names (one with a node_modules, or that folder itself), else where Node looks
// (NODE_PATH, node_modules here and above).  See sdk-shim/PROTOCOL.md, and README.md beside this folder.

import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { Raised, Run, Skip, asking, given, kindOfStatus, serve, shown } from "./standbox-adapter.mjs";

const PACKAGE = "@hyperbrowser/sdk";

// No session saved by somebody may log the SDK in, no key of somebody's may be used.
process.env.HOME = "/nonexistent";
for (const name of Object.keys(process.env)) {
  if (name.startsWith("HYPERBROWSER_") || name.startsWith("XDG_")) delete process.env[name];
}

function complain(text) {
  console.error(`hyperbrowser-adapter: ${text}`);
  process.exit(2);
}

function modulesFolder() {
  const [option, folder, ...more] = process.argv.slice(2);
  if (option === undefined) return process.env.STANDBOX_NODE_MODULES;
  if (option !== "--modules" || folder === undefined || more.length > 0) {
    complain("usage: hyperbrowser-adapter.mjs [--modules FOLDER]");
  }
  return folder;
}

// The SDK and its package.json.
function load(folder) {
  const named = folder && resolve(folder);
  const base = named && (basename(named) === "node_modules" ? dirname(named) : named);
  const require = createRequire(base ? join(base, "adapter.js") : import.meta.url);
  try {
    const main = require.resolve(PACKAGE);
    return { sdk: require(PACKAGE), about: require(join(dirname(main), "..", "package.json")) };
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    const where = base ? ` in ${base}/node_modules` : "";
    return complain(
      `there is no ${PACKAGE}${where}: install it with \`npm install ${PACKAGE}@0.92.6\` and name its folder with ` +
        "--modules or STANDBOX_NODE_MODULES (`sdk-shim/tests/run --set-up` makes build/e2e/node)",
    );
  }
}

const { sdk, about } = load(modulesFolder());
const { Hyperbrowser, HyperbrowserError } = sdk;

const CAPABILITIES = [
  ...["sandbox.create", "sandbox.connect", "sandbox.refresh", "sandbox.status", "sandbox.list", "sandbox.stop"],
  ...["exec", "exec.args", "exec.cwd", "exec.env", "exec.timeout_ms", "exec.timeout_s", "exec.user"],
  ...["start", "start.args", "start.cwd", "start.env", "start.timeout_ms", "start.timeout_s", "start.user"],
  "get",
  ...["list", "list.status", "list.limit", "list.cursor"],
  "status",
  "poll",
  ...["wait", "wait.timeout_ms", "wait.timeout_s"],
  "result",
  ...["kill", "kill.timeout_ms"],
  "signal",
  ...["write", "write.bytes", "write.eof"],
  ...["stream", "stream.from_seq"],
  ...["client.timeout_ms", "client.runtime_proxy"],
  "background",
  ...["protocol-a", "async"],
];

const PROCESS_OPTIONS = { cwd: "cwd", env: "env", timeout_ms: "timeoutMs", timeout_s: "timeoutSec", user: "runAs" };
const WAIT_OPTIONS = { timeout_ms: "timeoutMs", timeout_s: "timeoutSec" };
const LIST_OPTIONS = { status: "status", limit: "limit" };
const WRITE_OPTIONS = { encoding: "encoding", eof: "eof" };
const CREATE_OPTIONS = {
  image: "imageName",
  snapshot: "snapshotName",
  timeout_minutes: "timeoutMinutes",
  vcpus: "cpu",
  memory_mib: "memoryMiB",
};

// What the SDK writes in the place of an answer's own trouble.
const MISREADING = /^\[Hyperbrowser\]: Failed to /;

// The arguments of the step under the SDK's names; those that are not there are not given.
const only = (step, names) =>
  Object.fromEntries(
    Object.entries(names)
      .filter(([ours]) => step[ours] !== undefined && step[ours] !== null)
      .map(([ours, theirs]) => [theirs, step[ours]]),
  );

const sandboxValue = (box) => ({ id: box.id, status: box.status });

const processValue = (known) => ({
  id: known.id,
  status: known.status,
  exit_code: known.exitCode,
  pid: known.pid,
  command: known.command,
  cwd: known.cwd,
});

const handleValue = (handle) => processValue({ ...handle.toJSON(), id: handle.id, status: handle.status });

const resultValue = (result) => ({
  id: result.id,
  status: result.status,
  exit_code: result.exitCode,
  stdout: shown(result.stdout),
  stderr: shown(result.stderr),
  started_at: result.startedAt,
  completed_at: result.completedAt,
  error: result.error,
});

const eventValue = (event) =>
  event.type === "exit"
    ? { type: "exit", result: resultValue(event.result) }
    : { type: event.type, data: shown(event.data), seq: event.seq, timestamp: event.timestamp };

// What the network's errors are called: ECONNRESET, ERR_STREAM_PREMATURE_CLOSE; and node-fetch's own limits.
const NETWORK_CODE = /^(E[A-Z]+|ERR_STREAM_[A-Z_]+|ERR_SOCKET_[A-Z_]+)$/;
const NETWORK_TYPES = ["request-timeout", "body-timeout", "aborted"];

// The kind of an error below the SDK's own: the network's, or of reading the answer.
function rawKind(error) {
  const code = String(error?.code ?? "");
  if (code.startsWith("HPE_")) return "malformed"; // not HTTP
  if (error?.name === "AbortError" || NETWORK_CODE.test(code) || NETWORK_TYPES.includes(error?.type)) {
    return "connection";
  }
  const isMisread = error instanceof TypeError || error instanceof SyntaxError || error?.type === "invalid-json";
  return isMisread ? "malformed" : undefined;
}

function sdkKind(error) {
  const local = error.service === undefined ? "invalid" : "other";
  return (
    kindOfStatus(error.statusCode) ??
    (error.cause === undefined ? undefined : rawKind(error.cause)) ??
    (MISREADING.test(error.message) ? "malformed" : local)
  );
}

class OneCase extends Run {
  #client;

  // Built by the first step that needs it, so that a refusal is that step's error.
  sandboxes() {
    const { url, api_key: apiKey, timeout_ms: timeout, runtime_proxy: runtimeProxyOverride } = this.settings;
    this.#client ??= new Hyperbrowser({ apiKey, baseUrl: url, timeout, runtimeProxyOverride });
    return this.#client.sandboxes;
  }

  errorOf(error) {
    const described = super.errorOf(error);
    if (!(error instanceof HyperbrowserError)) return { ...described, kind: rawKind(error) ?? "other" };
    return {
      ...described,
      kind: sdkKind(error),
      status: error.statusCode,
      code: error.code,
      service: error.service,
      retryable: error.retryable,
      request_id: error.requestId,
      details: error.details,
    };
  }

  // Asks for a handle, keeps it for later steps and shows it.
  async #keeping(step, show, call) {
    const handle = await asking(call);
    this.keep(step, handle);
    return show(handle);
  }

  // The command of a step in either of the SDK's two forms.
  #line(step) {
    const options = only(step, PROCESS_OPTIONS);
    return step.args ? [{ command: step.command, args: step.args, ...options }] : [step.command, options];
  }

  "sandbox.create"(step) {
    if (step.env) throw new Skip("the client has no environment for a whole sandbox");
    return this.#keeping(step, sandboxValue, () => this.sandboxes().create(only(step, CREATE_OPTIONS)));
  }

  "sandbox.connect"(step) {
    const id = this.idFor(step);
    return this.#keeping(step, sandboxValue, () => this.sandboxes().connect(id));
  }

  async "sandbox.refresh"(step) {
    const box = this.kept(step, "sandbox");
    return sandboxValue(await asking(() => box.refresh()));
  }

  "sandbox.status"(step) {
    return sandboxValue(this.kept(step, "sandbox"));
  }

  async "sandbox.list"(step) {
    const page = await asking(() => this.sandboxes().list(only(step, LIST_OPTIONS)));
    return { items: page.sandboxes.map(sandboxValue) };
  }

  async "sandbox.stop"(step) {
    const box = this.kept(step, "sandbox");
    await asking(() => box.stop());
    return {};
  }

  async exec(step) {
    const box = this.kept(step, "sandbox");
    return resultValue(await asking(() => box.exec(...this.#line(step))));
  }

  start(step) {
    const { processes } = this.kept(step, "sandbox");
    return this.#keeping(step, handleValue, () => processes.start(...this.#line(step)));
  }

  get(step) {
    const box = this.kept(step, "sandbox");
    const id = this.idFor(step);
    return this.#keeping(step, handleValue, () => box.getProcess(id));
  }

  async list(step) {
    const { processes } = this.kept(step, "sandbox");
    const cursor = this.cursorFor(step);
    const page = await asking(() => processes.list({ ...only(step, LIST_OPTIONS), cursor: cursor ?? undefined }));
    return { items: page.data.map(processValue), cursor: page.nextCursor ?? null };
  }

  status(step) {
    return handleValue(this.kept(step, "process"));
  }

  async poll(step) {
    const handle = this.kept(step, "process");
    return handleValue(await asking(() => handle.refresh()));
  }

  async wait(step) {
    const handle = this.kept(step, "process");
    return resultValue(await asking(() => handle.wait(only(step, WAIT_OPTIONS))));
  }

  async result(step) {
    const handle = this.kept(step, "process");
    return resultValue(await asking(() => handle.result()));
  }

  async kill(step) {
    const handle = this.kept(step, "process");
    return resultValue(await asking(() => handle.kill(only(step, WAIT_OPTIONS))));
  }

  async signal(step) {
    const handle = this.kept(step, "process");
    await asking(() => handle.signal(step.signal));
    return {};
  }

  async write(step) {
    const handle = this.kept(step, "process");
    const options = only(step, WRITE_OPTIONS);
    const data = step.data === undefined || step.data === null ? undefined : given(step.data);
    const isPlain = data !== undefined && Object.keys(options).length === 0;
    await asking(() => handle.writeStdin(isPlain ? data : { data, ...options }));
    return {};
  }

  async stream(step) {
    const handle = this.kept(step, "process");
    const value = { events: [], ended: false };
    let left = step.take ?? Infinity;
    const events = handle.stream(step.from_seq ?? undefined);
    try {
      while (left > 0) {
        const { done, value: event } = await events.next().catch((error) => Promise.reject(new Raised(error, value)));
        if (done) return { ...value, ended: true };
        value.events.push(eventValue(event));
        if (event.type !== "exit") left -= 1;
      }
      return value;
    } finally {
      await events.return();
    }
  }
}

serve(OneCase, {
  name: "hyperbrowser-node",
  language: "javascript",
  client_version: about.version,
  issues: "https://github.com/hyperbrowserai/node-sdk/issues",
  vendors: ["hyperbrowser"],
  capabilities: CAPABILITIES,
});
