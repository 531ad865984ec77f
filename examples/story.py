"""For the stories' clients: the admin API, and a verdict as the last line."""

import json
import os
import sys
import urllib.request

surprises = []


def admin(path, **body):
    """Ask the mock server what it really did, in the lane that our API key leads to."""
    request = urllib.request.Request(
        f"{os.environ['STANDBOX_ADMIN']}{path}?lane={os.environ['HYPERBROWSER_API_KEY']}",
        data=json.dumps(body).encode() if body else None,
        headers={
            "X-Standbox-Token": os.environ["STANDBOX_ADMIN_TOKEN"],
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def expect(what, got, wanted):
    """Show something, and remember when it is not what the story says."""
    print(f"{what}: {got!r}")
    if got != wanted:
        surprises.append(f"{what}: expected {wanted!r}")


def finish():
    """The last line: were all faults of the scenario seen, and was nothing else?"""
    for fault in admin("/faults")["faults"]:
        if fault["fired"] != fault["planned"]:
            surprises.append(f"{fault['id']} fired {fault['fired']} times of {fault['planned']}")
    for surprise in surprises:
        print(f"NOT {surprise}")
    print("something else happened" if surprises else "as expected")
    sys.exit(bool(surprises))
