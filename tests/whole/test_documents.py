"""What the README and the pages of docs/ show as Python does run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_lines(page):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if python_lines(page)], ids=lambda page: page.name)
def test_the_python_lines_of_a_page_run(page, tmp_path):
    variables = {**os.environ, "FATHOM_CACHE": str(tmp_path / "cache"), "FATHOM_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", python_lines(page)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
