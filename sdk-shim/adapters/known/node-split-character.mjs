// @hyperbrowser/sdk 0.92.6: every network read of a stream is decoded by itself, so a character on its border is lost.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const modules = process.env.STANDBOX_NODE_MODULES;
const { Hyperbrowser } = createRequire(modules ? join(modules, "x.js") : import.meta.url)("@hyperbrowser/sdk");
const PAUSE_MS = 200; // so that the two halves are two reads

const EVENT = Buffer.from('event: output\ndata: {"seq":1,"stream":"stdout","data":"5 €","timestamp":1}\n\n');
const BORDER = EVENT.indexOf("€") + 1;

const server = createServer((request, response) => {
  const baseUrl = `http://127.0.0.1:${server.address().port}/sandbox/b`;
  const process = { id: "p", status: "running", command: "c", cwd: "/", started_at: 1 };
  if (request.url === "/api/sandbox") {
    response.end(JSON.stringify({ id: "b", status: "active", token: "t", runtime: { baseUrl } }));
  } else if (request.url.endsWith("/stream")) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(EVENT.subarray(0, BORDER));
    setTimeout(() => response.end(EVENT.subarray(BORDER)), PAUSE_MS);
  } else {
    response.end(JSON.stringify({ process }));
  }
});

server.listen(0, "127.0.0.1", async () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const sandbox = await new Hyperbrowser({ apiKey: "k", baseUrl }).sandboxes.create({ imageName: "i" });
  const handle = await sandbox.processes.start("c");
  const { value } = await handle.stream().next();
  const isKnown = value.data !== "5 €" && value.data.includes("\ufffd");
  console.log(isKnown ? "as known:" : "no longer so:", JSON.stringify(value.data), 'where the server sent "5 €"');
  process.exit(isKnown ? 0 : 1);
});
