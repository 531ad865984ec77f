// @hyperbrowser/sdk 0.92.6: `timeout` ends with the head of an answer; a body that stalls is waited for for ever.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const modules = process.env.STANDBOX_NODE_MODULES;
const { Hyperbrowser } = createRequire(modules ? join(modules, "x.js") : import.meta.url)("@hyperbrowser/sdk");
const LONG_ENOUGH_MS = 3000; // the client's own limit is 500

const server = createServer((request, response) => {
  const baseUrl = `http://127.0.0.1:${server.address().port}/sandbox/b`;
  if (request.url === "/api/sandbox") {
    response.end(JSON.stringify({ id: "b", status: "active", token: "t", runtime: { baseUrl } }));
    return;
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"data":['); // and nothing more
});

server.listen(0, "127.0.0.1", async () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const sandbox = await new Hyperbrowser({ apiKey: "k", baseUrl, timeout: 500 }).sandboxes.create({ imageName: "i" });
  setTimeout(() => {
    console.log(`as known: the limit was 500 ms, and the call still waits after ${LONG_ENOUGH_MS} ms`);
    process.exit(0);
  }, LONG_ENOUGH_MS);
  const came = await sandbox.processes.list().catch((error) => error);
  console.log("no longer so:", came);
  process.exit(1);
});
