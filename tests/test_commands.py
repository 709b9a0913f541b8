"""All commands of all programs: help that is whole, options with texts, plain words."""

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.testing import CliRunner

from common.process.terminal.command import first_line
from common.process.terminal.walking import NamedCommand, all_commands

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("harvester", "trainer", "worker", "desk", "publisher", "enrichment")
APPS = {program: import_module(f"{program}.cli").app for program in PROGRAMS}
COMMANDS = [each for program in PROGRAMS for each in all_commands(program, APPS[program])]
MANY = 10  # options, from which on help shows them in groups

# Words that readers with school English stumble over, or that are a library's and not ours.
RULED_OUT = (
    *("Field required", "Input should be", "valid UUID", "NoneType"),
    *("without use", "much alike", "not knowing", "upwards is possible", "any more as"),
    *("less right than", "a culprit each", "how the examples were divided", "is at migration none"),
    "cannot become",
)
STRANGE = re.compile(rf"\b({'|'.join(map(re.escape, RULED_OUT))})\b")


def options(command: Any) -> list[Any]:
    """Its options and arguments but --help."""
    return [each for each in command.params if each.name != "help"]


def helped(each: NamedCommand) -> str:
    """What --help prints."""
    program, *path = each.name.split()
    result = CliRunner().invoke(APPS[program], [*path, "--help"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.name)
def test_help_is_whole(each: NamedCommand) -> None:
    text = each.command.help or ""
    first = text.partition("\n\n")[0]
    assert first.endswith((".", ".)")), first
    shown = helped(each)
    assert "-h" in shown
    if options(each.command) and not isinstance(each.command, TyperGroup):
        only_json = {option.name for option in options(each.command)} == {"as_json"}
        assert only_json or re.search(r"Examples?: ", text), "an example is missing"


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.name)
def test_every_option_has_a_text(each: NamedCommand) -> None:
    assert [option.name for option in options(each.command) if not option.help] == []


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.name)
def test_many_options_stand_in_groups(each: NamedCommand) -> None:
    own = [
        option
        for option in options(each.command)
        if option.name.startswith("") and option.opts[0].startswith("-")
    ]
    if len(own) > MANY:
        assert len({option.rich_help_panel for option in own}) > 1


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.name)
def test_a_command_that_prints_json_has_a_schema(each: NamedCommand) -> None:
    knows = any(option.name == "as_json" for option in each.command.params)
    assert knows == (each.json_kind is not None)
    if knows:
        name = each.name.replace(" ", "-")
        assert (ROOT / "docs" / "reference" / "json" / f"{name}.json").is_file()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_list_of_commands_says_what_their_help_says(program: str) -> None:
    group = next(all_commands(program, APPS[program])).command
    for name, place in group.places.items():
        text = group.get_command(None, name).help or ""
        assert first_line(place) == text.partition("\n\n")[0].replace("\n", " ")


@pytest.mark.parametrize("tower", ["common", *PROGRAMS])
def test_no_text_has_words_that_are_ruled_out(tower: str) -> None:
    found = []
    for path in (ROOT / tower).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and (hit := STRANGE.search(value)):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {hit[0]}")
    assert found == []


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "No such command 'nonsense'."),
        (["--nonsense"], "No such option: --nonsense"),
        (["--config", "/nowhere/x.toml", "--version"], ""),
    ],
)
def test_a_mistake_is_told_in_one_form(program: str, arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(APPS[program], arguments)
    if told:
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {told}")
        assert result.stderr.splitlines()[-1].startswith("Help: ")
    else:
        assert result.exit_code == 0
        assert re.fullmatch(r"europeana-image-enrichment \S+\n", result.stdout)
