"""`make docs`: the reference pages that are made from the code, so that each truth stands once.

A test compares the files with what this module makes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from itertools import starmap
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from common.process.settings.base import is_secret
from common.process.settings.every import every_field
from common.process.terminal.json_output import json_schema
from common.process.terminal.walking import NamedCommand, all_commands
from common.reasons import Reason, Retry
from trainer.commands.recipes import RECIPES, RecipeName, is_of
from trainer.settings import TrainingSettings, option_of, range_of

DOCS = Path(__file__).resolve().parents[1] / "docs" / "reference"

_REASONS = """\
# Why records fail

This page is made from `common/reasons.py` by `make docs`.

A record that could not be enriched, or whose picture could not be had, has one of these reasons.
`worker status JOB` and `harvester images --report` count them.

**Tried again.**
`harvester images` tries again in the run after the delay has passed.
The first delay is given; each further one is four times as long, but at most a day.
It is never shorter than what the host asked for.
After the attempts the record has failed for good.
Workers try again after the delays of `WORKER_RETRY_DELAYS` instead; the same reasons are final.
A reason that uses up no attempt says nothing about the record: it was not asked for.

**About the host.**
A complaint or a failure halves the pace at which the host is asked.
With Retry-After, 408 and 5xx are complaints.
Failures in a row stop it for a while ([fetching.md](fetching.md)).

| reason | stage | meaning | tried again | about the host | what to do |
|---|---|---|---|---|---|
"""


def reasons() -> str:
    """The page on reasons: a line each, in the order of a record's way."""
    return _REASONS + "".join(map(_reason_line, Reason))


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
    unless = "" if retry.counts else "; uses up none"
    return f"{retry.seconds / 60:g} min, {retry.attempts} attempts{unless}"


_SETTINGS = """\
# Settings

This page is made from the settings classes by `make docs`.

Settings are environment variables, or lines of `enrichment.toml` with the same names in lower case.
A process reads them once, when it starts.
The environment goes before the file.

From the working folder upwards, the first folder counts that has this file, or the one for secrets.
`--config FILE` or the variable `ENRICHMENT_CONFIG` names another.
Relative folders in it start at the file:

```toml
# enrichment.toml
model_dir = "models"
worker_connections = 32
```

Secrets are refused there.
They belong into the environment, or into a file beside it.
Nobody else may read that file (`chmod 600 enrichment.secrets.toml`):

```toml
# enrichment.secrets.toml
database_url = "postgresql://user:password@host/database"
broker_url = "redis://host:6379/0"
europeana_api_key = "..."
```

`enrichment doctor` shows which settings count, where each comes from, and whether they work.

| variable | secret | default | what it is |
|---|---|---|---|
"""


def settings() -> str:
    """The page on environment variables: a line each, those of the worker and the desk last."""
    return _SETTINGS + "".join(starmap(_setting_line, every_field().items()))


def _setting_line(name: str, field: FieldInfo) -> str:
    secret = "yes" if is_secret(field) else ""
    return f"| `{name.upper()}` | {secret} | {_default(field)} | {field.description} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    if field.default_factory is not None:
        return "by cores"
    return f"`{field.default}`" if field.default not in (None, "") else ""


_TRAINING = (
    """\
# Training settings

This page is made from `trainer/settings.py` and `trainer/commands/recipes.py` by `make docs`.

These are options of `trainer train`.
An experiment keeps them in its `conf.json`.
`--recipe` chooses defaults that go together.
Without it the recipe is `scratch`, with `--weights` `fine-tune`, and with `--encoder` `head`.
Every option given beside it counts more.
An option that a recipe does not know (–) is refused.

| option | range | """
    + " | ".join(f"`{recipe}`" for recipe in RECIPES)
    + """ | what it is |
|---|---|"""
    + "---|" * len(RECIPES)
    + """---|
"""
)


def training_settings() -> str:
    """The page on the settings of a training: a line for each that has an option."""
    names = filter(option_of, TrainingSettings.model_fields)
    return _TRAINING + "".join(map(_training_line, names))


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


PROGRAMS = ("harvester", "trainer", "worker", "desk", "enrichment")
_JSON = """\
# What commands print with --json

This page and the schemas are made from the types of the commands by `make docs`.

Times are ISO 8601, durations are seconds, and every field is always there.
`trainer predict` and `worker failures` print one object a line, since there may be many.
Errors are not JSON: they are one message on standard error, with exit code 1 or 2.

| command | schema |
|---|---|
"""


def _printing() -> Iterator[NamedCommand]:
    for program in PROGRAMS:
        for each in all_commands(program, import_module(f"{program}.cli").app):
            if each.json_kind is not None:
                yield each


def json_page() -> str:
    """The page on --json: a line for each command that knows it."""
    lines = (f"| `{each.name} --json` | [{_file(each)}]({_file(each)}) |\n" for each in _printing())
    return _JSON + "".join(lines)


def _file(command: NamedCommand) -> str:
    return f"json/{command.name.replace(' ', '-')}.json"


def _schema(kind: Any) -> str:
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "reasons.md": reasons,
    "settings.md": settings,
    "training-settings.md": training_settings,
    "json.md": json_page,
    **{_file(each): partial(_schema, each.json_kind) for each in _printing()},
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
