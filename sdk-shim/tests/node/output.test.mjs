// Output: streams, replay, odd bytes, floods, many at once.  (n) = check number of the wire page.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";

import { caught, collect, serverForThisFile, text, until, withSandbox } from "./harness.mjs";

const server = serverForThisFile();
const given = (work, options) => () => withSandbox(server.now, work, options);
const FLOOD = "head -c 11500000 /dev/zero | tr '\\0' x"; // 11.5 MB, the replay window is 4 MiB

describe("streams", () => {
  it(
    "(37) rising seq, both streams, then the full result",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("echo one; echo two >&2; echo three; exit 5");
      const { output, result } = await collect(process.stream());
      assert.deepEqual(
        output.map((event) => event.seq),
        output.map((_, index) => index + 1),
      );
      assert.deepEqual([text(output), text(output, "stderr")], ["one\nthree\n", "two\n"]);
      assert.deepEqual(
        [result.id, result.status, result.exitCode, result.stdout, result.stderr],
        [process.id, "exited", 5, "one\nthree\n", "two\n"],
      );
      assert.ok(output.every((event) => Number.isInteger(event.timestamp)));
    }),
  );

  it(
    "(38) a finished process replays, twice the same",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("echo gone; echo err >&2");
      await process.wait();
      const once = await collect(process.stream());
      assert.deepEqual(await collect(process.stream()), once);
      assert.deepEqual([text(once.output), text(once.output, "stderr")], ["gone\n", "err\n"]);
    }),
  );

  it(
    "(37) output is there while the process still runs",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("for i in 1 2 3; do echo $i; read line; done");
      const events = process.stream();
      for (const number of "123") {
        assert.equal(await until(events, "\n"), `${number}\n`);
        await process.writeStdin("\n");
      }
      assert.equal((await events.next()).value.type, "exit");
    }),
  );

  it(
    "(39) (40) from_seq is inclusive; below one it is the beginning",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("for i in 1 2 3 4; do echo $i; read line; done");
      const events = process.stream();
      for (const number of "1234") {
        assert.equal(await until(events, "\n"), `${number}\n`);
        await process.writeStdin("\n");
      }
      await process.wait();
      const seqs = async (from) => (await collect(process.stream(from))).output.map((event) => event.seq);
      assert.deepEqual(await seqs(3), [3, 4]);
      assert.deepEqual(await seqs(0), [1, 2, 3, 4]);
      assert.deepEqual(await seqs(-1), [1, 2, 3, 4]);
      assert.deepEqual(await seqs(99), []);
    }),
  );

  it(
    "(41) (53) (54) from_seq behind the replay window",
    given(async (sandbox) => {
      const process = await sandbox.processes.start(FLOOD);
      await process.wait();
      const error = await caught(() => process.stream(1).next());
      assert.deepEqual(
        [error.statusCode, error.code, error.service, error.retryable],
        [410, "replay_window_expired", "runtime", false],
      );
      assert.match(error.message, /Replay window expired/);
      assert.ok(error.requestId);
    }),
  );

  it(
    "(60) a flood comes back as its tail at least",
    given(async (sandbox) => {
      const result = await sandbox.exec(`${FLOOD}; echo the-end`);
      assert.ok(result.stdout.length > 3 * 1024 * 1024, `only ${result.stdout.length}`);
      assert.ok(result.stdout.length <= 11_500_008);
      assert.ok(result.stdout.endsWith("xthe-end\n"));
      assert.equal(result.exitCode, 0);
    }),
  );

  it(
    "(52) a quiet stream outlives the request timeout",
    given(
      async (sandbox) => {
        const process = await sandbox.processes.start("sleep 1.5; echo late");
        assert.equal(text((await collect(process.stream())).output), "late\n");
      },
      { timeout: 1_000 },
    ),
  );
});

describe("odd bytes", () => {
  const printf = (bytes) =>
    `printf '${[...Buffer.from(bytes)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}'`;

  const odd = {
    "four-byte emoji": ["😀🧑‍🚀"],
    "line separators": ["a\u2028b\u2029c\u0085d\x0be\x0cf"],
    nul: ["a\x00b"],
    escape: ["\x1b[31mred\x1b[0m"],
    bom: ["\ufeffx"],
    quotes: ["\"\\/'"],
    crlf: ["one\r\ntwo\rthree"],
    "lone 0xff": [[0x61, 0xff, 0x62], "a\ufffdb"],
    "half a character": [[0x6f, 0xf0, 0x9f, 0x98], "o\ufffd"],
  };

  for (const [name, [bytes, shown = bytes]] of Object.entries(odd)) {
    it(
      `(44) ${name}`,
      given(async (sandbox) => {
        const command = printf(bytes);
        assert.equal((await sandbox.exec(command)).stdout, shown);
        const process = await sandbox.processes.start(command);
        const { output, result } = await collect(process.stream());
        assert.equal(text(output), shown);
        assert.equal(result.stdout, shown);
      }),
    );
  }

  it(
    "(45) a character split over two writes",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("printf 'go\\342\\202'; read line; printf '\\254!'");
      const events = process.stream();
      const got = await until(events, "go");
      await process.writeStdin("\n");
      const { output, result } = await collect(events);
      assert.equal(got + text(output), "go€!");
      assert.equal(result.stdout, "go€!");
    }),
  );

  it(
    "(45) multi-byte text over many TCP chunks",
    given(async (sandbox) => {
      const process = await sandbox.processes.start("yes 'é€😀 line' | head -n 40000");
      assert.equal(text((await collect(process.stream())).output), "é€😀 line\n".repeat(40_000));
    }),
  );
});

describe("floods and crowds", () => {
  it(
    "100 MB through a stream arrive byte for byte",
    given(
      async (sandbox) => {
        const size = 100 * 1024 * 1024;
        // Every line differs, so a lost, doubled or moved piece changes the digest.
        const flood = `seq 10000000 99999999 | head -c ${size}`;
        const process = await sandbox.processes.start(`echo ready; read line; ${flood}`);
        const events = process.stream();
        assert.equal(await until(events, "\n"), "ready\n");
        await process.writeStdin("go\n"); // only now: the stream is there before the flood

        const got = createHash("sha256");
        let received = 0;
        let exit;
        for await (const event of events) {
          if (event.type === "exit") exit = event.result;
          else {
            got.update(event.data);
            received += event.data.length;
          }
        }
        assert.equal(exit?.exitCode, 0);
        assert.equal(received, size);
        const expected = execFileSync("bash", ["-c", `${flood} | sha256sum`], { encoding: "utf8" });
        assert.equal(got.digest("hex"), expected.split(" ")[0]);
      },
      { ms: 120_000 },
    ),
  );

  it(
    "500 execs at once each get their own result",
    given(
      async (sandbox) => {
        const results = await Promise.all(
          Array.from({ length: 500 }, (_, n) => sandbox.exec(`echo out-${n}; echo err-${n} >&2; exit ${n % 256}`)),
        );
        results.forEach((result, n) => {
          assert.deepEqual(
            [result.stdout, result.stderr, result.status, result.exitCode],
            [`out-${n}\n`, `err-${n}\n`, "exited", n % 256],
          );
        });
        assert.equal(new Set(results.map((result) => result.id)).size, 500);
      },
      { ms: 120_000 },
    ),
  );

  it(
    "1,000 streams are open at once, and other calls still get through",
    given(
      async (sandbox) => {
        const numbers = Array.from({ length: 1000 }, (_, n) => n);
        const started = await Promise.all(
          numbers.map((n) => sandbox.processes.start(`echo up; read line; echo ${n}:$line`)),
        );
        const streams = started.map((process) => process.stream());
        for (const got of await Promise.all(streams.map((events) => until(events, "\n")))) assert.equal(got, "up\n");
        const { data } = await sandbox.processes.list({ status: "running", limit: 1000 });
        assert.equal(data.length, 1000);
        await Promise.all(started.map((process) => process.writeStdin("in\n")));
        const ends = await Promise.all(streams.map(collect));
        ends.forEach(({ output, result }, n) => {
          assert.deepEqual([text(output), result.exitCode], [`${n}:in\n`, 0]);
        });
      },
      { ms: 180_000 },
    ),
  );
});
