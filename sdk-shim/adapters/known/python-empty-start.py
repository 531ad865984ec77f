"""hyperbrowser 1.14.0: a start whose stream ends before its first event raises a bare StopIteration."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hyperbrowser import Hyperbrowser


def box(base):
    return {
        **{"id": "b", "teamId": "t", "status": "active", "region": "us-central", "sessionUrl": base, "duration": 0},
        **{"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "exposedPorts": [], "token": "t"},
        "runtime": {"transport": "regional_proxy", "host": "127.0.0.1", "baseUrl": f"{base}/sandbox/b"},
    }


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("application/json", json.dumps(box(f"http://127.0.0.1:{self.server.server_port}")))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer("text/event-stream", "")

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
sandbox = client.sandboxes.get("b")


def start_all(commands):
    """As somebody would write it: list() takes the SDK's StopIteration for the end of map()."""
    return list(map(sandbox.processes.start, commands))


try:
    came = start_all(["one", "two"])
except Exception as raised:
    came = raised
is_known = came == []
print("as known: two starts failed, and nobody heard of it" if is_known else f"no longer so: {came!r}")
sys.exit(not is_known)
