"""The reproductions in known/ are still true."""

import os
import subprocess

import pytest
from talk import ADAPTERS, E2E, PYTHON

KNOWN = ADAPTERS / "known"
SCRIPTS = sorted(path.name for path in KNOWN.iterdir() if path.suffix in (".py", ".mjs"))


def program_for(name):
    if name.startswith("cwsandbox-"):
        return str(E2E / "venv-coreweave-0.22.0" / "bin" / "python")
    return PYTHON if name.endswith(".py") else "node"


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_still_so(name):
    program = program_for(name)
    env = {**os.environ, "STANDBOX_NODE_MODULES": str(E2E / "node")}
    done = subprocess.run([program, str(KNOWN / name)], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("as known: ")


def test_every_one_is_in_the_list():
    page = (KNOWN / "README.md").read_text()
    assert [name for name in SCRIPTS if f"`{name}`" not in page] == []
