"""`make docs`: the tables of reference pages and the schemas, made from the code.

So each fact is written once. Write the text above the table of a page in the page itself. A test
compares the files with the output of this module.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from itertools import starmap
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from common.europeana.edm import EdmStatement
from common.europeana.linked_data import ConceptAnnotation
from common.process.settings.base import is_secret
from common.process.settings.every import every_field
from common.process.terminal.json_output import json_schema
from common.process.terminal.walking import NamedCommand, all_commands
from common.reasons import Reason, Retry
from desk.api.api import API_ROUTES
from desk.api.declaring import Endpoint
from desk.api.openapi import document
from trainer.commands.recipes import RECIPES, RecipeName, is_of
from trainer.settings import TrainingSettings, option_of, range_of
from worker.exports.columns import columns_of
from worker.exports.formats.crowdheritage import BaseAnnotation
from worker.exports.formats.label_studio import TaskData, TaskPrediction
from worker.exports.rows import EnrichmentRow

DOCS = Path(__file__).resolve().parents[1] / "docs" / "reference"

REASONS = ("reason", "stage", "meaning", "tried again", "about the host", "what to do")
SETTINGS = ("variable", "secret", "default", "what it is")
TRAINING = ("option", "range", *(f"`{recipe}`" for recipe in RECIPES), "what it is")
JSON = ("command", "schema")
HTTP_API = ("request", "what it does", "role", "body", "answers")
EXPORTS = ("name", "type", "what it is")
EXPORTED: Mapping[str, tuple[type, ...]] = {
    "csv": (EnrichmentRow,),
    "parquet": (EnrichmentRow,),
    "jsonld": (ConceptAnnotation,),
    "edm": (EdmStatement,),
    "label-studio": (TaskData, TaskPrediction),
    "crowdheritage": (BaseAnnotation,),
}
_KINDS = {str: "text", float: "number", datetime: "time"}
PROGRAMS = ("harvester", "trainer", "worker", "desk", "publisher", "enrichment")


def _page(name: str, columns: Sequence[str], lines: Iterable[str]) -> str:
    """The text above the table of a page, and the table."""
    above = (DOCS / name).read_text(encoding="utf-8").partition("\n| ")[0]
    table = f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    return above + table + "".join(lines)


def _reason_line(reason: Reason) -> str:
    cells = (
        f"`{reason.code}`",
        reason.stage,
        reason.meaning,
        _again(reason.retry),
        reason.signal,
        reason.advice,
    )
    return f"| {' | '.join(cells)} |\n"


def _again(retry: Retry | None) -> str:
    if retry is None:
        return "never"
    if not retry.seconds:
        return "in the next run"
    unless = "" if retry.counts else "; not counted as an attempt"
    return f"{retry.seconds / 60:g} min, {retry.attempts} attempts{unless}"


def _setting_line(name: str, field: FieldInfo) -> str:
    secret = "yes" if is_secret(field) else ""
    return f"| `{name.upper()}` | {secret} | {_default(field)} | {field.description} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    if field.default_factory is not None:
        return "by cores"
    return f"`{field.default}`" if field.default not in (None, "") else ""


def _training_line(name: str) -> str:
    defaults = [_training_default(name, recipe) for recipe in RECIPES]
    what = TrainingSettings.model_fields[name].description
    return f"| {' | '.join([f'`{option_of(name)}`', range_of(name), *defaults, str(what)])} |\n"


def _training_default(name: str, recipe: RecipeName) -> str:
    if not is_of(name, recipe):
        return "–"
    if (name, recipe) in {("weights", "fine-tune"), ("encoder", "head")}:
        return "**needed**"
    default = getattr(RECIPES[recipe], name)
    return f"`{default}`" if default != "" else ""


def _member_lines(*exported: type) -> Iterator[str]:
    for each in exported:
        for column in columns_of(each):
            kind = _KINDS.get(column.kind, "object")
            missing = ", or empty" if column.may_be_missing else ""
            yield f"| `{column.name}` | {kind}{missing} | {column.what} |\n"


def _export_page(file_format: str, *exported: type) -> str:
    return _page(f"exports/{file_format}.md", EXPORTS, _member_lines(*exported))


def _printing() -> Iterator[NamedCommand]:
    for program in PROGRAMS:
        for each in all_commands(program, import_module(f"{program}.cli").app):
            if each.json_kind is not None:
                yield each


def _json_line(command: NamedCommand) -> str:
    return f"| `{command.name} --json` | [{_file(command)}]({_file(command)}) |\n"


def _file(command: NamedCommand) -> str:
    return f"json/{command.name.replace(' ', '-')}.json"


def _schema(kind: Any) -> str:
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _route_line(route: Endpoint) -> str:
    takes = ", ".join(f"`{body.media}`" for body in route.bodies)
    gives = ", ".join(f"`{media}`" for media in route.also)
    cells = (
        f"`{route.method} /v1{route.path_format}`",
        (route.view.__doc__ or "").partition("\n")[0],
        route.role or "none",
        takes,
        ", ".join(map(str, route.answers)) + (f"; also {gives}" if gives else ""),
    )
    return f"| {' | '.join(cells)} |\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "reasons.md": lambda: _page("reasons.md", REASONS, map(_reason_line, Reason)),
    "settings.md": lambda: _page(
        "settings.md", SETTINGS, starmap(_setting_line, every_field().items())
    ),
    "training-settings.md": lambda: _page(
        "training-settings.md",
        TRAINING,
        map(_training_line, filter(option_of, TrainingSettings.model_fields)),
    ),
    **{
        f"exports/{name}.md": partial(_export_page, name, *exported)
        for name, exported in EXPORTED.items()
    },
    "json.md": lambda: _page("json.md", JSON, map(_json_line, _printing())),
    "http-api.md": lambda: _page("http-api.md", HTTP_API, map(_route_line, API_ROUTES)),
    "openapi.json": lambda: json.dumps(document(API_ROUTES), indent=2, ensure_ascii=False) + "\n",
    **{_file(each): partial(_schema, each.json_kind) for each in _printing()},
}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
