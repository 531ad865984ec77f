// The vendor's process page, example by example, as it is written there.
// The code between `page` and `end` is the page's own; only the sandbox is given.
// What the page prints is captured and checked.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { format } from "node:util";

import { hasRoot, serverForThisFile, withSandbox } from "./harness.mjs";

const server = serverForThisFile();
const NODE = /^Exit code: 0\nStdout: v\d+\.\d+\.\d+\nStderr: ?\n$/;

function capture() {
  const lines = [];
  return { log: (...args) => lines.push(format(...args)), text: () => lines.map((line) => `${line}\n`).join("") };
}

const example = (work) => () => withSandbox(server.now, (sandbox) => work(sandbox, capture()));

describe("the page's examples", () => {
  it(
    "run a command",
    example(async (sandbox, console) => {
      // page
      const result = await sandbox.exec("node -v");

      console.log("Exit code:", result.exitCode);
      console.log("Stdout:", result.stdout.trim());
      console.log("Stderr:", result.stderr.trim());
      // end
      assert.match(console.text(), NODE);
    }),
  );

  if (hasRoot) {
    it(
      "run a command with options",
      example(async (sandbox) => {
        // page
        const result = await sandbox.exec("pwd && echo $FOO && whoami", {
          cwd: "/tmp",
          env: {
            FOO: "bar",
          },
          timeoutMs: 5_000,
          runAs: "root",
        });
        // end
        assert.equal(result.stdout, "/tmp\nbar\nroot\n");
        assert.deepEqual([result.status, result.exitCode, result.stderr], ["exited", 0, ""]);
      }),
    );

    it(
      "start a background process",
      example(async (sandbox, console) => {
        // page
        const process = await sandbox.processes.start("read line; echo stdout:$line; echo stderr:$line 1>&2", {
          runAs: "root",
        });

        await process.writeStdin({
          data: "hello\n",
          eof: true,
        });

        const result = await process.wait();
        console.log(result.stdout);
        console.log(result.stderr);
        // end
        assert.equal(console.text(), "stdout:hello\n\nstderr:hello\n\n");
        assert.deepEqual([result.status, result.exitCode], ["exited", 0]);
      }),
    );

    it(
      "get, list and signal processes",
      example(async (sandbox, console) => {
        // page
        const process = await sandbox.processes.start("sleep 30", {
          runAs: "root",
        });

        const fetched = await sandbox.getProcess(process.id);
        const listing = await sandbox.processes.list({
          status: "running",
          limit: 20,
        });

        await fetched.signal("TERM");
        const result = await fetched.wait();

        console.log(listing.data.map((entry) => entry.id));
        console.log(result.status);
        // end
        assert.equal(console.text(), `[ '${process.id}' ]\nkilled\n`);
        assert.deepEqual(await process.result(), await process.wait());
      }),
    );
  } else {
    it(
      "root is refused where it cannot be had",
      example(async (sandbox) => {
        const result = await sandbox.exec("whoami", { runAs: "root" });
        assert.deepEqual([result.status, result.stdout], ["failed", ""]);
        assert.ok(result.error);
      }),
    );
  }

  it(
    "stream process output",
    example(async (sandbox, console) => {
      // page
      const process = await sandbox.processes.start("echo stream-out; echo stream-err 1>&2");

      for await (const event of process.stream()) {
        if (event.type === "exit") {
          console.log("Exited with:", event.result.exitCode);
          break;
        }

        console.log(event.type, event.data);
      }
      // end
      const lines = console.text().trimEnd().split("\n");
      assert.equal(lines.pop(), "Exited with: 0");
      assert.deepEqual(lines.filter(Boolean).sort(), ["stderr stream-err", "stdout stream-out"]);
    }),
  );

  for (const [status, command, options] of [
    ["exited", "true"],
    ["exited", "exit 3"],
    ["killed", "kill -KILL $$"],
    ["timed_out", "sleep 30", { timeoutMs: 200 }],
    ["failed", "true", { cwd: "/no/such/folder" }],
  ]) {
    it(
      `status ${status}: ${command}`,
      example(async (sandbox) => {
        assert.equal((await sandbox.exec(command, options)).status, status);
      }),
    );
  }
});
