"""Every story in examples/ runs, and comes as it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from standbox_server import slowness

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
STORIES = sorted(path.parent for path in EXAMPLES.glob("*/run.sh"))
STORY_SECONDS = 30


def test_there_are_five_stories_and_the_page_lists_them():
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(STORIES) >= 5
    for story in STORIES:
        assert f"({story.name}/README.md)" in page
        assert (story / "README.md").is_file()
        assert (story / "scenario.json").is_file()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_story_comes_as_it_says(story):
    ran = subprocess.run(
        [story / "run.sh"],
        env={**os.environ, "STANDBOX_PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STORY_SECONDS * slowness(),
    )
    assert ran.stdout.splitlines()[-1] == "as expected", ran.stdout
    assert ran.returncode == 0
