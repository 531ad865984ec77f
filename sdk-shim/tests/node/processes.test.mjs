// Processes: run, start, find, wait, signal, feed.  (n) = check number of the wire page.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { describe, it } from "node:test";

import {
  caught,
  connect,
  create,
  Deadline,
  eventually,
  first,
  HyperbrowserError,
  refusal,
  serverForThisFile,
  until,
  withSandbox,
} from "./harness.mjs";

const server = serverForThisFile();
const given = (work, options) => () => withSandbox(server.now, work, options);
const LONG = "echo ready; exec sleep 300";

describe("exec", () => {
  it(
    "(17) fills every field",
    given(async (sandbox) => {
      const before = Date.now();
      const result = await sandbox.exec("echo out; echo err >&2");
      assert.ok(result.id);
      assert.deepEqual([result.status, result.exitCode, result.error ?? null], ["exited", 0, null]);
      assert.deepEqual([result.stdout, result.stderr], ["out\n", "err\n"]);
      assert.ok(before - 5 <= result.startedAt && result.startedAt <= result.completedAt);
      assert.ok(result.completedAt <= Date.now() + 5);
    }),
  );

  for (const code of [0, 1, 2, 126, 127, 128, 255]) {
    it(
      `(18) exit code ${code} is a result`,
      given(async (sandbox) => {
        const result = await sandbox.exec(`exit ${code}`);
        assert.deepEqual([result.status, result.exitCode], ["exited", code]);
      }),
    );
  }

  it(
    "(18) the shell's own codes",
    given(async (sandbox) => {
      assert.equal((await sandbox.exec("no-such-program-here")).exitCode, 127);
      assert.equal((await sandbox.exec("touch plain; ./plain")).exitCode, 126);
    }),
  );

  it(
    "an object as input, and legacy args",
    given(async (sandbox) => {
      const args = ["%s\\n", "a b", "it's", "", "$HOME", "é😀", '"', "*"];
      const result = await sandbox.exec({ command: "printf", args });
      assert.equal(result.stdout, args.slice(1).map((word) => `${word}\n`).join(""));
    }),
  );

  it(
    "half a surrogate pair in the command harms nobody",
    given(async (sandbox) => {
      const end = await sandbox.exec("printf '%s' 'a\ud800b'").catch((error) => error);
      if (end instanceof HyperbrowserError) assert.equal(end.statusCode, 400);
      else assert.equal(end.stdout, "a\ufffdb");
      assert.equal((await sandbox.exec("echo still here")).stdout, "still here\n");
    }),
  );

  it(
    "stdin is empty",
    given(async (sandbox) => {
      const result = await sandbox.exec("cat; echo ended");
      assert.equal(result.stdout, "ended\n");
    }),
  );

  for (const limit of [{ timeoutMs: 300 }, { timeoutSec: 1 }]) {
    it(
      `(20) (23) ${JSON.stringify(limit)} ends the process`,
      given(async (sandbox) => {
        const result = await sandbox.exec("echo before; sleep 300", limit);
        assert.deepEqual([result.status, result.stdout], ["timed_out", "before\n"]);
      }),
    );
  }

  it(
    "a grandchild that holds stdout does not hold exec",
    given(async (sandbox) => {
      const deadline = new Deadline(10_000);
      const result = await sandbox.exec("sleep 60 & echo done");
      assert.deepEqual([result.status, result.stdout], ["exited", "done\n"]);
      assert.ok(deadline.left() > 0);
    }),
  );

  it("the default user is ubuntu, and root is root", async (t) => {
    await withSandbox(server.now, async (sandbox) => {
      const { stdout: namespace } = await sandbox.exec("readlink /proc/self/ns/user");
      if (namespace.trim() === readlinkSync("/proc/self/ns/user")) {
        return t.skip("this machine has no unprivileged user namespaces");
      }
      assert.equal((await sandbox.exec("whoami")).stdout, "ubuntu\n");
      assert.equal((await sandbox.exec("whoami", { runAs: "root" })).stdout, "root\n");
      assert.equal((await sandbox.exec("true", { runAs: "no-such-user" })).status, "failed");
    });
  });

  it("(56) a client that gives up leaves the process alone", async () => {
    const client = connect(server.now);
    const sandbox = await create(client);
    const hasty = await connect(server.now, { timeout: 700 }).sandboxes.get(sandbox.id);
    const error = await caught(() => hasty.exec("sleep 300"));
    assert.deepEqual([error.retryable, error.statusCode], [true, undefined]);
    const running = async () => (await sandbox.processes.list({ status: "running" })).data.map((entry) => entry.command);
    await eventually(async () => (await running()).includes("sleep 300"), 10_000, "a running sleep");
    await sandbox.stop();
  });
});

describe("start, get, list, wait", () => {
  it(
    "(24) (25) start returns before the end, get finds it",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("read line; exit 4", { cwd: "/tmp" });
      assert.ok(process.toJSON().pid > 0);
      const fetched = await sandbox.getProcess(process.id);
      const summary = fetched.toJSON();
      assert.deepEqual([summary.status, summary.command, summary.cwd], ["running", "read line; exit 4", "/tmp"]);
      await process.writeStdin({ eof: true });
      assert.equal((await process.wait()).exitCode, 4);
      await fetched.refresh();
      assert.deepEqual([fetched.status, fetched.toJSON().exitCode], ["exited", 4]);
    }),
  );

  for (const verb of ["get", "wait", "signal", "kill", "stdin", "stream"]) {
    it(
      `(25) (53) (54) ${verb} of an unknown process`,
      given(async (sandbox) => {
        const known = await sandbox.processes.start("true");
        known.summary.id = "proc_unknown";
        const calls = {
          get: () => sandbox.getProcess("proc_unknown"),
          wait: () => known.wait(),
          signal: () => known.signal("TERM"),
          kill: () => known.kill(),
          stdin: () => known.writeStdin("x"),
          stream: () => known.stream().next(),
        };
        const error = await refusal(calls[verb]);
        assert.equal(error.statusCode, 404);
        assert.match(error.message, /not found/);
      }),
    );
  }

  it(
    "(26) (27) list filters and pages",
    given(async (sandbox) => {
      const ended = [];
      for (let n = 0; n < 5; n += 1) ended.push((await sandbox.exec("true")).id);
      const running = await sandbox.processes.start("read line");
      const ids = async (query) => (await sandbox.processes.list(query)).data.map((entry) => entry.id);
      assert.deepEqual((await ids()).sort(), [...ended, running.id].sort());
      assert.deepEqual(await ids({ status: "running" }), [running.id]);
      assert.deepEqual((await ids({ status: ["exited", "killed"] })).sort(), [...ended].sort());

      const seen = [];
      let cursor;
      for (let page = 0; page < 10; page += 1) {
        const listing = await sandbox.processes.list({ limit: 4, cursor });
        seen.push(...listing.data.map((entry) => entry.id));
        cursor = listing.nextCursor;
        if (cursor === undefined) break;
      }
      assert.equal(cursor, undefined);
      assert.equal(seen.length, 6);
      assert.deepEqual([...seen].sort(), [...ended, running.id].sort());
    }),
  );

  it(
    "(28) (31) (32) wait, again, and result",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("echo out; echo err >&2; exit 6");
      const result = await process.wait();
      assert.deepEqual([result.status, result.exitCode, result.stdout, result.stderr], ["exited", 6, "out\n", "err\n"]);
      assert.equal(process.status, "exited");
      assert.deepEqual(await process.wait(), result);
      assert.deepEqual(await process.result(), result);
    }),
  );

  for (const limit of [{ timeoutMs: 200 }, { timeoutSec: 1 }]) {
    it(
      `(29) (30) wait with ${JSON.stringify(limit)} ends alone`,
      given(async (sandbox) => {
        const process = await sandbox.processes.start("read line; echo alive");
        const error = await refusal(() => process.wait(limit));
        assert.equal(error.statusCode, 408);
        assert.match(error.message, /timed out/);
        await process.refresh();
        assert.equal(process.status, "running");
        await process.writeStdin("\n");
        assert.equal((await process.wait()).stdout, "alive\n");
      }),
    );
  }
});

describe("signals and kill", () => {
  for (const name of ["TERM", "KILL", "INT", "HUP", "QUIT", "SIGTERM", "term"]) {
    it(
      `(33) ${name} ends the process`,
      given(async (sandbox) => {
        const process = await sandbox.processes.start(LONG);
        assert.equal(await first(process), "ready\n");
        // bash ignores QUIT: wait until it has become the program
        const command = `until grep -qx sleep /proc/${process.toJSON().pid}/comm; do :; done`;
        assert.equal((await sandbox.exec(command, { timeoutMs: 60_000 })).exitCode, 0);
        await process.signal(name);
        assert.ok(["running", "killed"].includes(process.status));
        assert.equal((await process.wait()).status, "killed");
      }),
    );
  }

  it(
    "(33) a signal can be caught",
    given(async (sandbox) => {
      const process = await sandbox.processes.start(
        "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done",
      );
      assert.equal(await first(process), "ready\n");
      await process.signal("TERM");
      const result = await process.wait();
      assert.deepEqual([result.exitCode, result.stdout], [9, "ready\ncaught\n"]);
    }),
  );

  it(
    "an unknown signal is refused",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("read line");
      assert.equal((await refusal(() => process.signal("NO-SUCH"))).statusCode, 400);
      await process.refresh();
      assert.equal(process.status, "running");
    }),
  );

  it(
    "(34) kill beats a process that ignores TERM",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("trap '' TERM; echo ready; while :; do sleep 0.05; done");
      assert.equal(await first(process), "ready\n");
      await process.signal("TERM");
      assert.equal((await refusal(() => process.wait({ timeoutMs: 300 }))).statusCode, 408);
      const result = await process.kill();
      assert.deepEqual([result.status, process.status], ["killed", "killed"]);
    }),
  );

  it(
    "(34) kill after the end changes nothing",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("exit 3");
      const result = await process.wait();
      assert.deepEqual(await process.kill(), result);
      assert.deepEqual(await process.kill(), result);
      assert.equal(process.status, "exited");
    }),
  );
});

describe("stdin", () => {
  it(
    "(35) (36) text, bytes, object, eof alone",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("cat");
      await process.writeStdin("é😀\n");
      await process.writeStdin(Uint8Array.from([0x62, 0x0a]));
      await process.writeStdin({ data: "Ywo=", encoding: "base64" });
      await process.writeStdin({ eof: true });
      assert.equal((await process.wait()).stdout, "é😀\nb\nc\n");
    }),
  );

  it(
    "(35) every byte value",
    given(async (sandbox) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
      const process = await sandbox.processes.start("od -An -v -tx1 | tr -d ' \\n'");
      await process.writeStdin({ data: bytes, eof: true });
      assert.equal((await process.wait()).stdout, Buffer.from(bytes).toString("hex"));
    }),
  );

  it(
    "after eof and after the end",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("cat; echo ready; sleep 300");
      const events = process.stream();
      await process.writeStdin({ data: "", eof: true });
      await until(events, "ready\n");
      assert.equal((await refusal(() => process.writeStdin("late"))).statusCode, 409);
      await process.kill();
      assert.equal((await refusal(() => process.writeStdin("later"))).statusCode, 409);
    }),
  );

  it(
    "five megabytes",
    given(async (sandbox) => {
      const lines = Array.from({ length: 800_000 }, (_, n) => `${n}\n`).join("");
      const data = Buffer.from(lines).subarray(0, 5 * 1024 * 1024);
      const process = await sandbox.processes.start("cat | sha256sum");
      await process.writeStdin({ data, eof: true });
      const sum = (await process.wait()).stdout.split(" ")[0];
      assert.equal(sum, createHash("sha256").update(data).digest("hex"));
    }),
  );
});
