#!/usr/bin/env python3
"""Plays docs/write-an-adapter.md word for word: its files, its edits, its commands, its outputs.

The page marks what is what with comments that readers do not see, each before its fenced block:

    <!-- file:PATH -->                  this file
    <!-- edit:PATH -->                  a diff; its parts are separated by @@
    <!-- run:NAME exit=N -->            commands and the exit code (0)
    <!-- output:NAME -->                what they print; … stands for anything in a line, or alone for any lines
    ... needs=curl,jq                   only where these programs are

`tutorial_test.py --update` writes what came now into the outputs that do not fit any more: read what it did.
STANDBOX_SUITE names the standbox-conformance to use; what belongs to it lies beside.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]
PAGE = REPO / "docs" / "write-an-adapter.md"
EXAMPLE = REPO / "examples" / "adapter"
SUITE = Path(os.environ.get("STANDBOX_SUITE") or REPO / "build" / "release" / "bin" / "standbox-conformance")
RUN_SECONDS = 300 * float(os.environ.get("STANDBOX_PATIENCE") or 1)
MARK = re.compile(r"^<!-- (file|edit|run|output):(\S+)((?: \S+=\S+)*) -->\n```\w*\n(.*?)^```$", re.M | re.S)
# What --update takes for different every time.
VOLATILE = [
    (r"\d+ ms\b", "… ms"),
    (r"message=[0-9a-f]{8}", "message=…"),
    (r"\b(proc|req)_[0-9a-f]{24}\b", "…"),
    (r"(?m)^(.*\"/)[^\"]*(/mine/)", r"\1…\2"),
    (r"(?m)^  /.*(/fixtures/.*):\d+$", r"  …\1:…"),
]


class Block:
    """One marked block of the page."""

    def __init__(self, match):
        self.kind, self.name, options, self.text = match.groups()
        self.span = match.span(4)
        given = dict(option.split("=", 1) for option in options.split())
        self.exit = int(given.pop("exit", 0))
        self.needs = [name for name in given.pop("needs", "").split(",") if name]
        assert not given, f"{self}: unknown options {given}"

    def __str__(self):
        return f"{PAGE.name}: {self.kind}:{self.name}"


def blocks_of(page):
    """The marked blocks in their order; a mark that is not well formed, or an output without its run, is a mistake."""
    blocks = [Block(match) for match in MARK.finditer(page)]
    marks = re.findall(r"^<!-- .*$", page, re.M)
    assert len(marks) == len(blocks), "a mark without its block"
    ran = [block.name for block in blocks if block.kind == "run"]
    assert len(set(ran)) == len(ran), "two runs of one name"
    assert all(block.name in ran for block in blocks if block.kind == "output"), "an output without its run"
    return blocks


def edited(text, diff):
    """`text` after the parts of a diff.  Each part must be found exactly once, as a reader would look for it."""
    for part in re.split(r"^@@\n", diff, flags=re.M):
        lines = [line if line else " " for line in part.splitlines()]
        assert all(line[0] in " +-" for line in lines), part
        old = "".join(line[1:] + "\n" for line in lines if line[0] != "+")
        new = "".join(line[1:] + "\n" for line in lines if line[0] != "-")
        assert text.count(old) == 1, f"found {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def fits(shown, got):
    """Is `got` what the page shows?"""
    lines = []
    for line in shown.splitlines():
        pattern = ".*".join(re.escape(piece) for piece in line.split("…"))
        lines.append(r"(?:.*\n)*?" if line.strip() == "…" else pattern + r"\n")
    return re.fullmatch("".join(lines), got) is not None


class Play:
    """The reader: a folder like the repository's top, in which the page is followed."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "build" / "release").mkdir(parents=True)
        (folder / "build" / "release" / "bin").symlink_to(SUITE.parent)
        self.outputs = {}
        self.complaints = []

    def follow(self, block):
        path = self.folder / block.name
        if block.kind == "file":
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
        elif block.kind == "edit":
            path.write_text(edited(path.read_text(), block.text))
        elif block.kind == "run":
            self.run(block)
        elif not fits(block.text, self.outputs[block.name]):
            self.complaints.append(f"{block} shows\n{block.text}\nbut it printed\n{self.outputs[block.name]}")

    def run(self, block):
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
        done = subprocess.run(
            ["bash", "-e", "-c", block.text],
            cwd=self.folder,
            env={**kept, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RUN_SECONDS,
        )
        self.outputs[block.name] = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != block.exit:
            told = self.outputs[block.name]
            self.complaints.append(f"{block}: exit code {done.returncode}, the page says {block.exit}\n{told}")


def play(folder, blocks):
    assert SUITE.is_file(), f"{SUITE} is missing: build it, or name another with STANDBOX_SUITE"
    reader = Play(folder)
    for block in blocks:
        reader.follow(block)
    return reader


@pytest.fixture(scope="module")
def blocks():
    return blocks_of(PAGE.read_text())


@pytest.fixture(scope="module")
def needing(blocks):
    """The blocks that need more programs, with what their commands print."""
    names = {block.name for block in blocks if block.needs}
    return [block for block in blocks if block.name in names]


def test_the_tutorial_works_word_for_word(blocks, needing, tmp_path):
    reader = play(tmp_path, [block for block in blocks if block not in needing])
    assert not reader.complaints, "\n\n".join(reader.complaints)
    for name in ("tiny.py", "adapter.py"):
        made = (tmp_path / "mine" / name).read_text()
        assert made == (EXAMPLE / name).read_text(), f"examples/adapter/{name} is not what the tutorial ends with"


def test_the_part_that_needs_more_programs_works_word_for_word(needing, tmp_path):
    missing = {name for block in needing for name in block.needs if shutil.which(name) is None}
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(sorted(missing))}")
    assert not missing
    reader = play(tmp_path, needing)
    assert not reader.complaints, "\n\n".join(reader.complaints)
    assert (tmp_path / "mine" / "level1.sh").read_text() == (EXAMPLE / "level1.sh").read_text()


@pytest.mark.parametrize(
    "shown, got, answer",
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("took … ms\n", "took 12 ms\n", True),
        ("took … ms\n", "took 1\n2 ms\n", False),
        ("a\n…\nz\n", "a\nz\n", True),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nb\n", False),
        ("a.c\n", "abc\n", False),
        ("", "a\n", False),
    ],
)
def test_what_fits(shown, got, answer):
    assert fits(shown, got) is answer


def test_an_edit_that_is_not_found_once_is_refused():
    assert edited("a\nb\n", "-a\n+c\n b\n") == "c\nb\n"
    for diff in ("-x\n", "-a\n"):
        with pytest.raises(AssertionError):
            edited("a\na\n", diff)


def update():
    """Writes what came into the outputs that do not fit; complains of the rest."""
    import tempfile

    page = PAGE.read_text()
    blocks = blocks_of(page)
    with tempfile.TemporaryDirectory() as folder:
        outputs = play(Path(folder), [block for block in blocks if block.kind != "output"])
    for complaint in outputs.complaints:
        print(complaint, end="\n\n")
    for block in reversed([block for block in blocks if block.kind == "output"]):
        got = outputs.outputs[block.name]
        if fits(block.text, got):
            continue
        for pattern, replacement in VOLATILE:
            got = re.sub(pattern, replacement, got)
        print(f"{block}: new")
        page = page[: block.span[0]] + got + page[block.span[1] :]
    PAGE.write_text(page)


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(__doc__)
    update()
