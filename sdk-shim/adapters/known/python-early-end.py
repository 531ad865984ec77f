"""hyperbrowser 1.14.0: the stream of a found process that ends before the process did looks complete."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hyperbrowser import Hyperbrowser

PROCESS = {"id": "p", "status": "running", "command": "c", "cwd": "/", "started_at": 1}
OUTPUT = {"seq": 1, "stream": "stdout", "data": "half of it\n", "timestamp": 1}


def box(base):
    return {
        **{"id": "b", "teamId": "t", "status": "active", "region": "us-central", "sessionUrl": base, "duration": 0},
        **{"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "exposedPorts": [], "token": "t"},
        "runtime": {"transport": "regional_proxy", "host": "127.0.0.1", "baseUrl": f"{base}/sandbox/b"},
    }


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/stream"):
            self.answer("text/event-stream", f"event: output\ndata: {json.dumps(OUTPUT)}\n\n")
        elif self.path.startswith("/api/"):
            self.answer("application/json", json.dumps(box(f"http://127.0.0.1:{self.server.server_port}")))
        else:
            self.answer("application/json", json.dumps({"process": PROCESS}))

    def answer(self, kind, text):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Hyperbrowser(api_key="k", base_url=f"http://127.0.0.1:{server.server_port}")
process = client.sandboxes.get("b").get_process("p")
seen, error = [], None
try:
    for event in process.stream():
        seen.append(event.type)
except Exception as raised:
    error = raised
is_known = error is None and seen == ["stdout"]
known = "as known: the loop ended without an exit event and without an error"
print(known if is_known else f"no longer so: {seen} {error}")
sys.exit(not is_known)
