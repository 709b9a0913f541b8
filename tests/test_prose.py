"""The worst of the prose that readers had to read twice; CONTRIBUTING says how we write."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
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
    r"\b[Ff]it(s|ted)? again\b": "say retrain",
    r"\bunlike (all|to all|what|everything)\b": "say too different from the training pictures",
    r"\bcannot be had\b": "say is not available, or cannot be loaded",
    r"\bthe fate of\b": "say what happened to",
    r"\bright at least\b": "say at least N are right",
    r"\bmight err\b": "say the allowed error is used up",
    r"\bis kind\b": "say get a lucky result",
    r"\bwhich is no (number|text|name)\b": "say is not a number",
    r"\bare the least\b": "say you need at least",
    r"\b[Ss]omebody\b": "say someone, or name the person: `a curator`",
    r"\bany more\b": "say no longer",
    r"\b(anew|once more)\b": "say again",
    r"\b(beforehand|in the meantime)\b": "say when: `before the export`",
    r"\bBesides\b": "say also",
    r"\bat hand\b": "say available",
    r"\b[Mm]eanwhile\b": "say when: `during the export`, `before that`",
}
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    if path.name
    not in ("CHANGELOG.md", "CONTRIBUTING.md")  # history, and the list of what is wrong
)
CLEAN = (
    "benchmarks",
    "common",
    "deploy",
    "desk",
    "enrichment",
    "harvester",
    "migrations",
    "publisher",
    "trainer",
    "worker",
)


def found_in(text: str) -> list[str]:
    """The patterns in a text, each with its words and what to write instead."""
    return [
        f"{match[0]!r}: {instead}"
        for pattern, instead in NEVER.items()
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]


def python_texts(code: str) -> Iterator[str]:
    """Docstrings, messages, help texts and comments: strings of one word are names."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# ")


def template_text(template: str) -> str:
    """What a page of the template shows: without tags, conditions and values."""
    shown = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<(script|style).*?</\1>", " ", template, flags=re.DOTALL)
    return re.sub(r"<[^>]*>|\{#|#\}", "\n", shown)


def texts_of(path: Path) -> Iterator[str]:
    if path.suffix == ".py":
        yield from python_texts(path.read_text())
    elif path.suffix == ".jinja":
        yield template_text(path.read_text())
    elif path.suffix == ".js":
        yield path.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_read_once(page: Path) -> None:
    assert found_in(page.read_text()) == []


@pytest.mark.parametrize("package", CLEAN)
def test_texts_of_a_package_are_read_once(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.*"))
    found = [
        f"{path.relative_to(ROOT)}: {words}"
        for path in files
        for text in texts_of(path)
        for words in found_in(text)
    ]
    assert found == []


def test_texts_are_found_in_code_and_in_what_a_page_shows() -> None:
    code = 'def f():\n    """Whoever asks."""\n    raise E("Nobody is here.")  # nobody asks\n'
    assert len([each for text in python_texts(code) for each in found_in(text)]) == 3
    template = '<p class="deed">{{ deed }}</p>{% if nobody %}<b>Fit again</b>{% endif %}'
    assert found_in(template_text(template)) == ["'Fit again': say retrain"]


def test_words_are_spelled_right() -> None:
    pytest.importorskip("codespell_lib", reason="codespell is not installed")
    texts = ["docs", *CLEAN, *(page.name for page in ROOT.glob("*.md"))]
    command = [sys.executable, "-m", "codespell_lib", *texts]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("", "")
