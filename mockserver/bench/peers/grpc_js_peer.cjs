// A minimal CoreWeave server (v1) on grpc-js: what the bench's gRPC rows are compared with; see grpcio_peer.py.
// Usage: node grpc_js_peer.cjs NODE_MODULES
"use strict";

const { spawn } = require("node:child_process");
const path = require("node:path");
const grpc = require(path.join(path.resolve(process.argv[2]), "@grpc/grpc-js"));

const SERVICE = "/coreweave.sandbox.v1.SandboxService/";
const RUNNING = field(3, Buffer.from([8, 2]));
const READY = field(1, Buffer.alloc(0));

function field(number, data) {
    const head = [(number << 3) | 2];
    let length = data.length;
    for (; length > 127; length >>= 7) head.push((length & 127) | 128);
    head.push(length);
    return Buffer.concat([Buffer.from(head), data]);
}

function fields(message) {
    const found = [];
    for (let at = 0; at < message.length; ) {
        const number = message[at++] >> 3;
        let size = 0;
        for (let shift = 0, byte = 128; byte > 127; shift += 7) {
            byte = message[at++];
            size |= (byte & 127) << shift;
        }
        found.push([number, message.subarray(at, at + size)]);
        at += size;
    }
    return found;
}

function method(name, isStream) {
    const bytes = (value) => value;
    return {
        path: SERVICE + name,
        requestStream: isStream,
        responseStream: isStream,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
    };
}

function exec(call, init) {
    const argv = init.filter(([number]) => number === 2).map(([, data]) => data.toString());
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    call.write(READY);
    [child.stdout, child.stderr].forEach((pipe, i) =>
        pipe.on("data", (data) => call.write(field(2, Buffer.concat([Buffer.from([8, i + 1]), field(2, data)])))),
    );
    child.on("close", (code) => {
        call.write(field(3, Buffer.from([8, code])));
        call.end();
    });
}

const server = new grpc.Server();
server.addService(
    { create: method("CreateSandbox", false), get: method("GetSandbox", false), exec: method("StreamExec", true) },
    {
        create: (call, done) => done(null, Buffer.concat([field(1, Buffer.from("peer")), RUNNING])),
        get: (call, done) => done(null, Buffer.concat([field(1, fields(call.request)[0][1]), RUNNING])),
        exec: (call) => call.once("data", (first) => exec(call, fields(fields(first)[0][1]))),
    },
);
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(JSON.stringify({ grpc: `http://127.0.0.1:${port}` }));
});
process.on("SIGTERM", () => process.exit(0));
