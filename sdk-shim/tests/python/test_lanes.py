"""Lanes and scenarios of a whole server, over raw HTTP: who makes lanes, what --strict judges, what a lane's end does."""

import http.client
import json
import signal
import threading
import urllib.parse

from standbox_server import eventually

NEVER = """{"standbox": 1, "name": "never", "why": "nobody asks for it",
  "faults": [{"when": {"op": "process.kill"}, "reply": {"pretend": "success"}}]}"""
LATE = """{"standbox": 1, "name": "late", "why": "waits for a clock that nobody moves", "clock": "manual",
  "faults": [{"when": {"op": "sandbox.create"}, "fault": {"kind": "delay", "ms": 60000}}]}"""
UNFIRED = 3


class Raw:
    """Requests as they are, on one connection."""

    def __init__(self, server):
        self.token = server.ready["admin_token"]
        url = urllib.parse.urlsplit(server.url)
        self.connection = http.client.HTTPConnection(url.hostname, url.port)

    def call(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def admin(self, method, path, body=None):
        return self.call(method, "/__admin" + path, body, X_Standbox_Token=self.token)

    def create(self, key="any", prefix=""):
        return self.call("POST", prefix + "/api/sandbox", '{"imageName": "x"}', x_api_key=key)


def lane_names(raw):
    return {lane["name"] for lane in raw.admin("GET", "/lanes")[1]["lanes"]}


def exit_code(server):
    server.process.send_signal(signal.SIGTERM)
    return server.process.wait(30)


def test_who_has_no_key_makes_no_lane(own_server):
    server = own_server("--api-key", "good-key")
    raw = Raw(server)
    for i in range(5):
        assert raw.call("GET", f"/lane/made-{i}/api/sandboxes")[0] == 401
        assert raw.call("GET", f"/lane/made-{i}/api/sandboxes", x_api_key="bad")[0] == 401
    assert lane_names(raw) == {"default"}
    assert raw.create("good-key", "/lane/mine")[0] == 200
    assert "mine" in lane_names(raw)
    server.stop()


def test_a_key_of_the_command_line_is_not_shown(own_server, tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.touch(mode=0o666)
    path.chmod(0o666)
    tmp_path.chmod(0o777)
    server = own_server("--api-key", "short-secret", "--ledger", str(path))
    raw = Raw(server)
    assert raw.create("short-secret")[0] == 200
    names = lane_names(raw)
    assert "short-secret" not in names and len(names) == 2
    assert raw.admin("GET", "/requests/count?lane=short-secret")[0] in (404, 405)  # it is a POST
    assert raw.admin("POST", "/requests/count?lane=short-secret", "{}")[1]["count"] == 1
    server.stop()
    assert "short-secret" not in path.read_text() and '"sandbox.create"' in path.read_text()


def test_strict_judges_a_scenario_where_it_was_meant(own_server):
    server = own_server("--strict")
    raw = Raw(server)
    assert raw.admin("POST", "/scenarios?lane=meant", NEVER)[0] == 201
    assert raw.create("other")[0] == 200  # by mistake in another lane
    assert exit_code(server) == UNFIRED
    assert "lane meant" in server.stderr()


def test_strict_remembers_lanes_that_are_gone(own_server):
    server = own_server("--strict")
    raw = Raw(server)
    assert raw.admin("POST", "/scenarios?lane=gone", NEVER)[0] == 201
    assert raw.admin("DELETE", "/lanes/gone")[0] == 200
    assert exit_code(server) == UNFIRED


def test_strict_is_not_upset_by_visitors(own_server, tmp_path):
    path = tmp_path / "kill.json"
    path.write_text(NEVER)
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    server = own_server("--strict", "--scenario", str(path))
    raw = Raw(server)
    status, box = raw.create("client")
    assert status == 200
    base = urllib.parse.urlsplit(box["runtime"]["baseUrl"]).path
    auth = {"Authorization": f"Bearer {box['token']}"}
    pid = raw.call("POST", f"{base}/processes", '{"command": "sleep 100"}', **auth)[1]["process"]["id"]
    assert raw.call("DELETE", f"{base}/processes/{pid}", **auth)[1]["process"]["status"] == "killed"
    assert raw.call("GET", "/")[0] == 404  # a health check, in the lane "default"
    assert exit_code(server) == 0


def waiting_create(server, key):
    """A create that the scenario LATE holds at the door: its thread and where its answer will be."""
    answer = []

    def ask():
        try:
            answer.append(Raw(server).create(key))
        except (http.client.HTTPException, OSError) as error:
            answer.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answer


def held(raw, lane):
    # The fault, not the operation: that is known a moment before the request is held.
    return raw.admin("POST", f"/requests/wait?lane={lane}", '{"fault": "delay", "timeout_ms": 30000}')[0] == 200


def test_who_waits_for_the_clock_of_a_deleted_lane_is_let_go(own_server):
    server = own_server()
    raw = Raw(server)
    assert raw.admin("POST", "/scenarios?lane=doomed", LATE)[0] == 201
    thread, answer = waiting_create(server, "doomed")
    assert held(raw, "doomed")
    assert raw.admin("DELETE", "/lanes/doomed")[0] == 200
    eventually(lambda: not thread.is_alive(), 20, "the create is over")
    assert not (isinstance(answer[0], tuple) and answer[0][0] == 200)
    server.stop()


def test_a_reset_does_not_let_old_requests_into_the_new_lane(own_server):
    server = own_server()
    raw = Raw(server)
    assert raw.admin("POST", "/scenarios?lane=again", LATE)[0] == 201
    thread, _ = waiting_create(server, "again")
    assert held(raw, "again")
    assert raw.admin("POST", "/lanes/again/reset")[0] == 200
    eventually(lambda: not thread.is_alive(), 20, "the create is over")
    (lane,) = [each for each in raw.admin("GET", "/lanes")[1]["lanes"] if each["name"] == "again"]
    assert lane["sandboxes"] == 0
    server.stop()


def test_a_status_without_a_body_has_none_on_the_wire(server):
    raw = Raw(server)
    scenario = NEVER.replace("never", "no-content").replace("process.kill", "sandbox.list")
    scenario = scenario.replace('{"pretend": "success"}', '{"status": 204}')
    assert raw.admin("POST", "/scenarios?lane=bare", scenario)[0] == 201
    # The same connection twice: what follows a head without a body is the next answer's head.
    assert raw.call("GET", "/api/sandboxes", x_api_key="bare") == (204, None)
    assert raw.call("GET", "/api/sandboxes", x_api_key="bare") == (204, None)
    assert raw.create("bare")[0] == 200
