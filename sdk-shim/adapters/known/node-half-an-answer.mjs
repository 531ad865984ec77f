// @hyperbrowser/sdk 0.92.6: an answer with a Content-Length that breaks off in the middle of its body is waited for
// for ever.  The reason is in node-fetch 2: the early end of a connection is an error only where the body is chunked.

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
  response.writeHead(200, { "content-type": "application/json", "content-length": 100 });
  response.write('{"result":{"id":"p",', () => response.socket.end());
});

server.listen(0, "127.0.0.1", async () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const sandbox = await new Hyperbrowser({ apiKey: "k", baseUrl, timeout: 500 }).sandboxes.create({ imageName: "i" });
  setTimeout(() => {
    console.log(`as known: no answer and no error within ${LONG_ENOUGH_MS} ms`);
    process.exit(0);
  }, LONG_ENOUGH_MS);
  const came = await sandbox.exec("true").catch((error) => error);
  console.log("no longer so:", came);
  process.exit(1);
});
