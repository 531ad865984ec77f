"""Adapter of the tiny client (sdk-shim/PROTOCOL.md, level 2)."""

import http.client
import json
import sys
import traceback

from tiny import Box

HELLO = {
    "type": "hello",
    "version": 1,
    "name": "tiny",
    "language": "python",
    "client_version": "0.1",
    "issues": "https://example.com/tiny/issues",
    "vendors": ["hyperbrowser"],
    "capabilities": ["sandbox.create", "exec", "protocol-a", "sync"],
}

CREATE = {"step", "op", "as", "image"}
KINDS = {400: "invalid", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 408: "timeout", 409: "conflict"}
KINDS |= {410: "gone", 413: "too_large", 422: "invalid", 429: "rate_limited"}
KINDS |= dict.fromkeys((502, 503, 504), "unavailable")
MEMBERS = ("status", "code", "service", "retryable", "details")

protocol, sys.stdout = sys.stdout, sys.stderr


def say(message):
    print(json.dumps(message), file=protocol, flush=True)


def do(step, client, made):
    if step["op"] == "sandbox.create":
        made[step["as"]] = box = Box(client["url"], client["api_key"], step["image"])
        return {"value": {"id": box.id, "status": box.status}}
    if step["op"] == "exec" and step["sandbox"] in made:
        return {"value": made[step["sandbox"]].run(step["command"])}
    return {"skipped": f"the tiny client cannot do this {step['op']}"}


def kind_of(error, status):
    if status is not None:
        return KINDS.get(status, "server" if status >= 500 else "other")
    if isinstance(error, (OSError, http.client.HTTPException)):
        return "connection"
    return "malformed" if isinstance(error, (ValueError, KeyError, TypeError)) else "other"


def outcome(step, client, made):
    try:
        return do(step, client, made)
    except Exception as error:
        known = {name: getattr(error, name, None) for name in MEMBERS}
        kind = kind_of(error, known["status"])
        return {"error": {"kind": kind, "class": type(error).__name__, "message": str(error), **known}}


def run(message):
    seq, made = message["seq"], {}
    if any(step["op"] == "sandbox.create" and set(step) != CREATE for step in message["steps"]):
        return {"type": "skipped", "seq": seq, "message": "the tiny client makes a sandbox of an image, no more"}
    try:
        outcomes = []
        for step in message["steps"]:
            say({"type": "at", "seq": seq, "step": step["step"]})
            outcomes.append({"step": step["step"], **outcome(step, message["client"], made)})
        return {"type": "result", "seq": seq, "outcomes": outcomes}
    except Exception as error:
        return {"type": "errored", "seq": seq, "message": repr(error), "traceback": traceback.format_exc()}


for line in sys.stdin:
    message = json.loads(line)
    say(HELLO if message["type"] == "hello" else run(message))
