"""fixtures/wire/coreweave has what this SDK makes, so the C tests compare our messages with the real ones."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]
SPEAKS = {"0.22.0": "v1beta2", "1.22.0": "v1"}[version("cwsandbox")]


def test_samples_are_what_the_sdk_makes():
    done = subprocess.run(
        [sys.executable, HERE / "make_samples.py", SPEAKS, TOP / "fixtures/proto",
         "--check", TOP / f"fixtures/wire/coreweave/{SPEAKS}.jsonl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("damage", [b'"full-0"', b'"fields"'])
def test_the_check_notices_another_file(tmp_path, damage):
    samples = TOP / f"fixtures/wire/coreweave/{SPEAKS}.jsonl"
    other = tmp_path / "other.jsonl"
    other.write_bytes(samples.read_bytes().replace(damage, b'"other"', 1))
    done = subprocess.run([sys.executable, HERE / "make_samples.py", SPEAKS, TOP / "fixtures/proto", "--check", other],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "is not what" in done.stderr
