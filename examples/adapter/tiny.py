"""A tiny client for Hyperbrowser sandboxes, as somebody writes it in an afternoon."""

import json
import urllib.error
import urllib.request


class TinyError(Exception):
    def __init__(self, service, status, reason, text):
        try:
            told = json.loads(text)
        except ValueError:
            told = {"message": text}
        if not isinstance(told, dict):
            told = {}
        super().__init__(told.get("message") or told.get("error") or reason)
        self.service = service
        self.status = status
        self.code = told.get("code") if isinstance(told.get("code"), str) else None
        self.retryable = status in (429, 502, 503, 504)
        self.details = told


def ask(service, url, headers, body):
    headers = {**headers, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise TinyError(service, error.code, error.reason, error.read().decode("utf-8", "replace"))


class Box:
    def __init__(self, url, key, image):
        made = ask("control", f"{url}/api/sandbox", {"x-api-key": key}, {"imageName": image})
        self.id = made["id"]
        self.status = made["status"]
        self._base = made["runtime"]["baseUrl"]
        self._token = made["token"]

    def run(self, command):
        headers = {"Authorization": f"Bearer {self._token}"}
        return ask("runtime", f"{self._base}/exec", headers, {"command": command})["result"]
