// @hyperbrowser/sdk 0.92.6: a success that has no body because it needs none (204) is an error.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const modules = process.env.STANDBOX_NODE_MODULES;
const { Hyperbrowser } = createRequire(modules ? join(modules, "x.js") : import.meta.url)("@hyperbrowser/sdk");

const server = createServer((request, response) => {
  const baseUrl = `http://127.0.0.1:${server.address().port}/sandbox/b`;
  const process = { id: "p", status: "running", command: "cat", cwd: "/", started_at: 1 };
  if (request.url === "/api/sandbox") {
    response.end(JSON.stringify({ id: "b", status: "active", token: "t", runtime: { baseUrl } }));
  } else if (request.url.endsWith("/stdin")) {
    response.writeHead(204).end();
  } else {
    response.end(JSON.stringify({ process }));
  }
});

server.listen(0, "127.0.0.1", async () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const sandbox = await new Hyperbrowser({ apiKey: "k", baseUrl }).sandboxes.create({ imageName: "i" });
  const handle = await sandbox.processes.start("cat");
  const error = await handle.writeStdin("a line\n").catch((thrown) => thrown);
  const isKnown = error?.message === "[Hyperbrowser]: Failed to parse JSON response" && error.statusCode === 204;
  console.log(isKnown ? `as known: status ${error.statusCode}, and "${error.message}"` : `no longer so: ${error}`);
  process.exit(isKnown ? 0 : 1);
});
