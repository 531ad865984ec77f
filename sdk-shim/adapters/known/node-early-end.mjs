// @hyperbrowser/sdk 0.92.6: a stream that ends before the process did looks like one that is complete.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const modules = process.env.STANDBOX_NODE_MODULES;
const { Hyperbrowser } = createRequire(modules ? join(modules, "x.js") : import.meta.url)("@hyperbrowser/sdk");

const server = createServer((request, response) => {
  const baseUrl = `http://127.0.0.1:${server.address().port}/sandbox/b`;
  const process = { id: "p", status: "running", command: "c", cwd: "/", started_at: 1 };
  if (request.url === "/api/sandbox") {
    response.end(JSON.stringify({ id: "b", status: "active", token: "t", runtime: { baseUrl } }));
  } else if (request.url.endsWith("/stream")) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end('event: output\ndata: {"seq":1,"stream":"stdout","data":"half of it\\n","timestamp":1}\n\n');
  } else {
    response.end(JSON.stringify({ process }));
  }
});

server.listen(0, "127.0.0.1", async () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const sandbox = await new Hyperbrowser({ apiKey: "k", baseUrl }).sandboxes.create({ imageName: "i" });
  const handle = await sandbox.getProcess("p");
  const seen = [];
  let error;
  try {
    for await (const event of handle.stream()) seen.push(event.type);
  } catch (thrown) {
    error = thrown;
  }
  const isKnown = error === undefined && seen.join() === "stdout";
  const known = "as known: the loop ended without an exit event and without an error;";
  console.log(isKnown ? known : "no longer so:", seen, error ?? "");
  process.exit(isKnown ? 0 : 1);
});
