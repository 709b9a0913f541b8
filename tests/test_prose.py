"""The worst of the prose that readers had to read twice; CONTRIBUTING says how we write."""

import re
from pathlib import Path

import pytest

from tests.forking import ROOT

NEVER = {
    r"\b[Ww]hoever\b": "name the person or the program",
    r"(?:^|[.:] )Who(?: \w+){2,}[^?]*\.": "name the person or the program: `A reviewer who ...`",
    r"\b[Nn]obody\b": "say what is not done: `No worker ...`, `you need not ...`",
    r"(?:^|[.:] )Nothing (?!to )": "name the thing: `No row ...`, `The store is unchanged`",
    r"\b(is|are|was|were) told\b": "say `knows`, `gets`, or who says it: `the log says`",
    r"\bof which nothing\b": "two sentences",
    r"\bas such\b": "leave it out, or say as what",
    r"\bdeeds?\b": "say action",
    r"\b[Ff]it again\b": "say retrain",
    r"\bunlike (all|to all|what|everything)\b": "say too different from the training pictures",
    r"\bcannot be had\b": "say is not available, or cannot be loaded",
    r"\bthe fate of\b": "say what happened to",
}
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    if path.name
    not in ("CHANGELOG.md", "CONTRIBUTING.md")  # history, and the list of what is wrong
)


def found_in(text: str) -> list[str]:
    """The patterns in a text, each with its words and what to write instead."""
    return [
        f"{match[0]!r}: {instead}"
        for pattern, instead in NEVER.items()
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_read_once(page: Path) -> None:
    assert found_in(page.read_text()) == []
