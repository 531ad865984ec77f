// Speaks the adapter protocol, version 1 (sdk-shim/PROTOCOL.md), for a client written in JavaScript.
//
//     class OneCase extends Run {                    // one case, with a client of its own
//       async "sandbox.create"(step) {               // a method for each operation
//         const box = await asking(() => new Client(this.settings.url).create(step.image));
//         this.keep(step, box);
//         return { id: box.id, status: box.status };
//       }
//     }
//     serve(OneCase, { name: "mine", language: "javascript", capabilities: ["sandbox.create"], ... });
//
// Needs nothing but Node 18.15.  From the import on, console.log goes to stderr: stdout is the protocol's.

import { writeSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const VERSION = 1;
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const NEWLINE = 10;
const FULL_PIPE_MS = 2;

// Arguments that are capabilities of their own, after a dot.
const PROCESS_ARGUMENTS = ["args", "cwd", "env", "timeout_ms", "timeout_s", "user", "max_output_bytes"];
const FINER = {
  exec: [...PROCESS_ARGUMENTS, "check"],
  start: PROCESS_ARGUMENTS,
  wait: ["timeout_ms", "timeout_s"],
  kill: ["timeout_ms"],
  write: ["eof"],
  stream: ["from_seq"],
  list: ["status", "limit", "cursor"],
};

const KIND_OF_STATUS = {
  400: "invalid",
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  408: "timeout",
  409: "conflict",
  410: "gone",
  413: "too_large",
  422: "invalid",
  429: "rate_limited",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

Object.defineProperty(process, "stdout", { value: process.stderr });

// A step cannot be done; the message says why.
export class Skip extends Error {}

// The client raised `error`; `value` is what it had given until then, if anything.
export class Raised extends Error {
  constructor(error, value) {
    super(String(error?.message ?? error));
    this.error = error;
    this.value = value;
  }
}

// The answer of `call`, which asks the client: tells the client's errors from mistakes of the adapter.
export async function asking(call) {
  try {
    return await call();
  } catch (error) {
    throw error instanceof Skip || error instanceof Raised ? error : new Raised(error);
  }
}

// The error kind of an HTTP status; undefined when the status alone says nothing.
export const kindOfStatus = (status) =>
  KIND_OF_STATUS[status] ?? (status >= 500 && status < 600 ? "server" : undefined);

// Text as text, bytes as {"base64"}: as the client gave it.
export const shown = (output) =>
  output instanceof Uint8Array ? { base64: Buffer.from(output).toString("base64") } : output;

// The string or bytes that a step's `data` means.
export const given = (data) => (typeof data === "object" ? Buffer.from(data.base64, "base64") : data);

// One case.  Subclass it with a method for each operation that the client has.
export class Run {
  #kept = new Map();

  // settings: the run line's `client` (url, api_key, ...).
  constructor(settings) {
    this.settings = settings;
    this.outcomes = {}; // of the steps done so far, by name
  }

  // Remember what this step made under the name of its `as`.
  keep(step, handle) {
    if (step.as) this.#kept.set(step.as, handle);
  }

  // The sandbox or process that `step` names in `member`; without it the step cannot be done.
  kept(step, member) {
    const name = step[member];
    if (name === undefined) throw new TypeError(`step "${step.step}" has no "${member}"`);
    if (!this.#kept.has(name)) throw new Skip(`there is no "${name}": the step that makes it did not succeed`);
    return this.#kept.get(name);
  }

  // The id to attach to: given as `id`, or that of the handle named by `from`.
  idFor(step) {
    return step.from === undefined ? step.id : this.kept(step, "from").id;
  }

  // The cursor to list from: a text, or the one that another step gave.
  cursorFor(step) {
    if (typeof step.cursor !== "object") return step.cursor;
    const found = this.outcomes[step.cursor.step]?.value?.cursor;
    if (found === undefined || found === null) throw new Skip(`step "${step.cursor.step}" gave no cursor`);
    return found;
  }

  // What `error`, raised by the client, is called in the protocol.  Subclasses know more.
  errorOf(error) {
    return { kind: "other", class: error?.constructor?.name ?? typeof error, message: String(error?.message ?? error) };
  }

  // Drops what is still in flight: steps in the background that nobody joined, streams that stayed open.
  close() {
    http.globalAgent.destroy();
    https.globalAgent.destroy();
  }
}

// The first capability that the step needs and the client does not have.
function missing(step, capabilities) {
  const asked = (FINER[step.op] ?? []).filter((name) => ![undefined, null, false].includes(step[name]));
  const needs = [step.op, ...asked.map((name) => `${step.op}.${name}`)];
  if (step.op === "write" && step.data !== null && typeof step.data === "object") needs.push("write.bytes");
  return needs.find((need) => !capabilities.has(need));
}

// Does the steps of one run line.
class Case {
  #background = new Map();

  constructor(run, capabilities, sayAt) {
    this.run = run;
    this.capabilities = capabilities;
    this.sayAt = sayAt;
  }

  async play(steps) {
    for (const step of steps) {
      for (const member of ["step", "op"]) {
        if (typeof step?.[member] !== "string") throw new TypeError(`a step has no "${member}"`);
      }
      this.sayAt(step.step);
      this.run.outcomes[step.step] = step.background ? this.#begin(step) : await this.#outcome(step);
    }
    return steps.map(({ step }) => ({ step, ...this.run.outcomes[step] }));
  }

  #begin(step) {
    const outcome = this.#outcome(step);
    outcome.catch(() => {}); // who joins it sees the mistake; a dropped one has none
    this.#background.set(step.step, outcome);
    return { value: {} };
  }

  async #outcome(step) {
    if (step.op === "join") {
      return this.#background.get(step.of) ?? { skipped: `no step "${step.of}" is in the background` };
    }
    const absent = missing(step, this.capabilities);
    if (absent || typeof this.run[step.op] !== "function") return { skipped: `the client has no ${absent ?? step.op}` };
    try {
      return { value: await this.run[step.op](step) };
    } catch (thrown) {
      if (thrown instanceof Skip) return { skipped: thrown.message };
      if (!(thrown instanceof Raised)) throw thrown;
      console.error(`step "${step.step}": ${thrown.error?.name}: ${thrown.message}`);
      const outcome = thrown.value === undefined ? {} : { value: thrown.value };
      return { ...outcome, error: this.run.errorOf(thrown.error) };
    }
  }
}

// The bytes of one line.  Half a surrogate pair, which UTF-8 cannot carry, becomes U+FFFD.
const whole = (_, value) => (typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value);
const lineOf = (message) => Buffer.from(`${JSON.stringify(message, whole)}\n`);

function say(message) {
  let line = lineOf(message);
  while (line.length > 0) {
    try {
      line = line.subarray(writeSync(1, line));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_MS); // the suite is still reading
    }
  }
}

const errored = (seq, message, traceback) => ({ type: "errored", seq, message, traceback });

// The message that answers a run line; adapter mistakes become `errored`.
async function answer(MakeRun, { seq: asked, client, steps }, capabilities) {
  const seq = Number.isInteger(asked) ? asked : 0;
  let run;
  try {
    if (client === null || typeof client !== "object" || !Array.isArray(steps)) {
      return errored(seq, "a run line needs `client`, an object, and `steps`, a list");
    }
    run = new MakeRun(client);
    const play = new Case(run, capabilities, (step) => say({ type: "at", seq, step }));
    const result = { type: "result", seq, outcomes: await play.play(steps) };
    const size = lineOf(result).length;
    return size <= MAX_LINE_BYTES ? result : errored(seq, `the result has ${size} bytes, more than a line may`);
  } catch (error) {
    return errored(seq, String(error?.message ?? error), error?.stack);
  } finally {
    await run?.close();
  }
}

// Lines end at \n and nowhere else (node:readline would split at U+2028, too).
async function* linesOf(input) {
  let parts = [];
  for await (const chunk of input) {
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, begin)) {
      yield Buffer.concat([...parts, chunk.subarray(begin, end)]).toString();
      parts = [];
      begin = end + 1;
    }
    parts.push(chunk.subarray(begin));
  }
  const rest = Buffer.concat(parts).toString();
  if (rest !== "") yield rest;
}

function parsed(line) {
  try {
    return JSON.parse(line) ?? {};
  } catch {
    return {};
  }
}

// Answers the suite until its end, then ends the program.
// MakeRun: a subclass of Run; hello: the members of the hello line, `capabilities` among them.
export async function serve(MakeRun, hello) {
  const capabilities = new Set(hello.capabilities);
  for await (const line of linesOf(process.stdin)) {
    const message = parsed(line);
    if (message.type === "hello") say({ type: "hello", version: VERSION, ...hello, max_in_flight: 1 });
    else if (message.type === "run") say(await answer(MakeRun, message, capabilities));
    else say(errored(0, `not a line of the protocol: ${line.slice(0, 200)}`));
  }
  process.exit(0);
}
