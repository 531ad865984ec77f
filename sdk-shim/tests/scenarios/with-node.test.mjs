// The scenarios where the Node SDK differs from the Python one, or where its streams are what matters.
import assert from "node:assert/strict";

import { caught, text, until } from "../node/harness.mjs";
import { drain, noting, scenario } from "./library.mjs";

// What node-fetch calls a connection that broke depends on what it hears of first: the socket's error or its close.
function assertBroken(error) {
  assert.match(String(error?.code), /^(ECONNRESET|ERR_STREAM_PREMATURE_CLOSE)$/);
}

// ---- start

scenario("start-exits-at-once", "a process that is over before anybody looks is whole", async (lane) => {
  const process = await lane.sandbox.processes.start("quick-job");
  await lane.awaitProcess(process, { state: "finished" });
  const found = await lane.sandbox.getProcess(process.id);
  assert.equal(found.status, "exited");
  const { got, error } = await drain(process.stream());
  assert.equal(error, undefined);
  assert.deepEqual([text(got), text(got, "stderr")], ["done already\n", "a word of warning\n"]);
  const result = await found.wait();
  assert.deepEqual([result.exitCode, result.stdout], [4, "done already\n"]);
});

scenario("start-lost-reply", "the command runs once, and the caller decides", async (lane) => {
  const error = await caught(() => lane.sandbox.processes.start("deploy-once"));
  assert.deepEqual([error.statusCode, error.service], [undefined, "runtime"]);
  await lane.awaitFact("ended", { command: "deploy-once" });
  assert.equal(await lane.countRequests("process.start"), 1);
  assert.equal((await lane.processes()).length, 1);
});

scenario("start-retry-5xx", "503 can be tried again, and is not behind the caller's back", async (lane) => {
  for (let n = 1; n <= 2; n += 1) {
    const error = await caught(() => lane.sandbox.exec("demo-job"));
    assert.deepEqual([error.statusCode, error.retryable], [503, true]);
    assert.match(error.message, /waking up/);
    assert.equal(await lane.countRequests("process.exec"), n);
  }
  assert.equal((await lane.sandbox.exec("demo-job")).stdout, "ran\n");
  assert.equal((await lane.processes()).length, 1);
});

scenario("start-token-expired", "one refresh, one run", async (lane) => {
  assert.equal((await lane.sandbox.exec("demo-job")).stdout, "ran\n");
  assert.equal(await lane.countRequests("sandbox.get"), 1);
  assert.equal((await lane.processes()).length, 1);
});

// ---- output

scenario("out-split-utf8", "halves of a character in two writes are one character", async (lane) => {
  const process = await lane.sandbox.processes.start("print-price");
  const events = process.stream();
  assert.equal(await until(events, " "), "5 ");
  await lane.open("other-half");
  const { got, error } = await drain(events);
  assert.equal(error, undefined);
  assert.equal(text(got), "€\n");
  assert.equal(got.at(-1).result.stdout, "5 €\n");
});

scenario("out-split-every-byte", "a stream that comes byte by byte is whole", async (lane) => {
  const process = await lane.sandbox.processes.start("print-menu");
  const { got, error } = await drain(process.stream());
  assert.equal(error, undefined);
  assert.equal(text(got), "na\u00efve caf\u00e9 \u2014 5 \u20ac \u{1f600}\n");
  assert.equal(got.at(-1).type, "exit");
});

scenario("out-unread", "a process that nobody reads ends, and its result is whole", async (lane) => {
  const process = await lane.sandbox.processes.start("chatty");
  await lane.awaitProcess(process, { state: "finished" });
  const result = await process.wait();
  assert.equal(result.exitCode, 6);
  assert.equal(result.stdout, "unread line\n".repeat(90_000));
});

scenario("out-history-then-live", "nothing lost and nothing twice at the border", async (lane) => {
  const process = await lane.sandbox.processes.start("demo-server");
  await lane.call("POST", "/barriers/wait", { name: "go", timeout_ms: 20_000 });
  const events = process.stream();
  assert.equal(await until(events, "\n"), "history\n");
  await lane.open("go");
  const { got } = await drain(events);
  assert.equal(text(got), "live\n");
  assert.equal(got.at(-1).result.stdout, "history\nlive\n");
});

scenario("out-resume-after-cut", "every piece is there exactly once", async (lane) => {
  const process = await lane.sandbox.processes.start("count-up");
  const seen = [];
  const events = noting(process.stream(), seen);
  assert.equal(await until(events, "\n"), "one\n");
  await lane.open("two");
  const { error } = await drain(events);
  assert.ok(error instanceof Error, "a cut stream is no clean end");
  // Node drops what it has received and nobody has read when it hears of the break: then "two" comes again.
  assert.ok(["one\n", "one\ntwo\n"].includes(text(seen)), text(seen));
  await lane.open("three");
  const rest = await drain(process.stream(seen.at(-1).seq + 1));
  assert.equal(text(seen) + text(rest.got), "one\ntwo\nthree\n");
  assert.equal(rest.got.at(-1).result.stdout, "one\ntwo\nthree\n");
});

scenario("out-duplicate-event", "the numbers tell which event came twice", async (lane) => {
  const process = await lane.sandbox.processes.start("count-up");
  const events = process.stream();
  assert.equal(await until(events, "\n"), "one\n");
  await lane.open("two");
  const { got } = await drain(events);
  const seqs = got.filter((event) => event.type === "stdout").map((event) => event.seq);
  assert.deepEqual(seqs, [2, 2]);
  assert.equal(got.at(-1).result.stdout, "one\ntwo\n");
});

// ---- stdin

scenario("in-eof-needed", "the end of the input comes behind what was written", async (lane) => {
  const process = await lane.sandbox.processes.start("sorter");
  await process.writeStdin("b\n");
  await process.writeStdin({ data: "a\n", eof: true });
  assert.equal((await process.wait()).stdout, "b\na\nend of input\n");
});

scenario("in-none", "a command without input sees its end at once", async (lane) => {
  const result = await lane.sandbox.exec("reader");
  assert.deepEqual([result.stdout, result.exitCode], ["nothing to read\n", 0]);
});

// ---- exit

scenario("exit-lost-terminal", "the stream just ends: only a look at the process tells how", async (lane) => {
  const process = await lane.sandbox.processes.start("demo-job");
  const { got, error } = await drain(process.stream());
  assert.equal(error, undefined);
  assert.deepEqual(
    got.map((event) => event.type),
    ["stdout"],
  );
  assert.equal((await process.wait()).exitCode, 3);
});

scenario("exit-unknown-status", "an unknown status is passed on, and is not the end", async (lane) => {
  const process = await lane.sandbox.processes.start("quick-job");
  await lane.awaitProcess(process, { state: "finished" });
  assert.equal((await lane.sandbox.getProcess(process.id)).status, "hibernating");
  assert.equal((await process.wait()).status, "exited");
});

// ---- time

scenario("time-headers-held", "the limit holds for headers, and the command has run", async (lane) => {
  const hasty = await lane.client({ timeout: 500 }).sandboxes.get(lane.sandbox.id);
  const error = await caught(() => hasty.exec("slow-job"));
  assert.deepEqual([error.statusCode, error.retryable], [undefined, true]);
  await lane.call("POST", "/clock/advance", { ms: 3_600_000 });
  const [ran] = (await hasty.processes.list()).data;
  assert.deepEqual([ran.command, ran.status, ran.exitCode], ["slow-job", "exited", 3]);
  assert.equal((await (await hasty.getProcess(ran.id)).wait()).stdout, "ran\n");
});

scenario("time-answer-too-early", "\"running\" without a code is shown as that", async (lane) => {
  const result = await lane.sandbox.exec("slow-job");
  assert.deepEqual([result.status, result.exitCode, result.stdout], ["running", undefined, "so far"]);
});

// ---- signals

scenario("signal-handled-goes-on", "a handled signal is no reason to kill", async (lane) => {
  const process = await lane.sandbox.processes.start("demo-server");
  const events = process.stream();
  assert.equal(await until(events, "\n"), "listening\n");
  await process.signal("HUP");
  assert.equal(await until(events, "\n"), "reloaded\n");
  assert.equal((await process.refresh()).status, "running");
  assert.equal((await process.kill()).status, "killed");
  assert.equal((await drain(events)).got.at(-1).result.status, "killed");
});

scenario("kill-lies", "the next look tells that kill lied", async (lane) => {
  const process = await lane.sandbox.processes.start("demo-server");
  assert.equal(await until(process.stream(), "\n"), "listening\n");
  const error = await caught(() => process.kill({ timeoutMs: 50 }));
  assert.deepEqual([error.statusCode, process.status], [408, "killed"]);
  assert.equal((await process.refresh()).status, "running");
  const { state, signals } = await lane.truth(process);
  assert.deepEqual([state, signals], ["running", []]);
  assert.equal((await process.kill()).status, "killed");
});

// ---- transport

scenario("net-cut-mid-event", "half an event is none", async (lane) => {
  const process = await lane.sandbox.processes.start("print-page");
  await lane.awaitProcess(process, { state: "finished" });
  const { got, error } = await drain(process.stream());
  assertBroken(error);
  assert.ok(got.every((event) => event.type === "stdout"));
  assert.equal((await process.wait()).stdout, "one line of a page\n".repeat(300));
});

scenario("net-no-final-chunk", "everything came, and the end is still reported as broken", async (lane) => {
  const process = await lane.sandbox.processes.start("demo-job");
  const { got, error } = await drain(process.stream());
  assertBroken(error);
  assert.equal(text(got), "all of it\n");
  assert.equal((await process.wait()).exitCode, 0);
});

scenario("net-reset-mid-stream", "a real reset is an error, and no kill", async (lane) => {
  const process = await lane.sandbox.processes.start("demo-server");
  const events = process.stream();
  assert.equal(await until(events, "\n"), "listening\n");
  await lane.open("more");
  const { got, error } = await drain(events);
  assertBroken(error);
  assert.ok(got.every((event) => event.data === "serving\n"));
  assert.equal((await process.refresh()).status, "running");
  assert.equal((await process.kill()).status, "killed");
});

scenario("net-empty-200", "an empty answer is an error", async (lane) => {
  await assert.rejects(() => lane.sandbox.processes.list(), TypeError);
  assert.deepEqual((await lane.sandbox.processes.list()).data, []);
});
