"""The docs lead somewhere: every link, every file and every command that they name is there."""

import re
from pathlib import Path

import pytest
from typer.core import TyperGroup

from tests.test_commands import COMMANDS, PROGRAMS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
FILE = re.compile(r"`((?:common|harvester|trainer|worker|deploy|tests|benchmarks|docs)/[\w/.-]+)`")
TYPED = re.compile(rf"(?:^|`|-- )((?:{'|'.join(PROGRAMS)}) [a-z][^`\n#&|]*)", re.MULTILINE)
LOGGED = {"worker ready"}  # what a log says, no command
BY_NAME = {each.name: each.command for each in COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = [page.parent / target for target in LINK.findall(page.read_text())]
    assert [str(target) for target in targets if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_are_there(page: Path) -> None:
    named = FILE.findall(page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def not_there(typed: str) -> list[str]:
    """What a typed line names that our programs do not have: a command, or options."""
    name, *rest = typed.split()
    while isinstance(BY_NAME[name], TyperGroup) and rest:
        name = f"{name} {rest.pop(0)}"
        if name not in BY_NAME:
            return [name]
    known = {spelling for each in BY_NAME[name].params for spelling in each.opts} | {"--help"}
    options = re.findall(r"(?<!\S)--[a-z-]+", " ".join(rest))
    return [f"{name} {option}" for option in options if option not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_commands_and_their_options_are_there(page: Path) -> None:
    if page.name != "CHANGELOG.md":  # which names what is gone as well
        typed = set(TYPED.findall(page.read_text())) - LOGGED
        assert [missing for line in typed for missing in not_there(line)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_line_has_one_sentence(page: Path) -> None:
    """Tables and code aside: a line with a full stop inside holds two."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#", "  |"))]
    two = [line for line in lines if re.search(r"[a-z`)]\. [A-Z`\[]", line)]
    assert two == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/how-to/*.md")), ids=lambda page: page.stem)
def test_a_how_to_begins_with_what_you_have_at_its_end(page: Path) -> None:
    assert page.read_text().split("\n\n")[1].startswith("At the end")


def test_a_word_of_the_glossary_is_explained_once() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    words = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert len(words) > 40
    assert sorted(set(words)) == sorted(words)
