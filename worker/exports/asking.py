"""The arguments of `worker export`: what to export, to which file, in which format."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from sqlalchemy import Engine

from common.errors import UsageError
from common.files import STANDARD_OUTPUT
from common.store.model_names import ModelName
from common.store.tables import VerdictKind
from worker.exports.selection import Selection
from worker.jobs.names import find_job, id_of

Format = Literal["csv", "jsonld", "edm", "parquet", "label-studio", "crowdheritage"]
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonld",
    ".jsonld": "jsonld",
    ".rdf": "edm",
    ".xml": "edm",
    ".parquet": "parquet",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the arguments ask for: a `job` as the user names it, or a model, a time, or both.

    `file` is the path to write to, `-` for standard output. `confirmed_only`: only enrichments that
    reviewers call right.
    """

    job: str | None
    model: ModelName | None
    since: datetime | None
    file: str
    file_format: Format
    confirmed_only: bool

    @property
    def is_delta(self) -> bool:
        """Whether another program merges the file: then it must also know what to remove."""
        return self.file_format == "edm" and self.since is not None

    @property
    def files(self) -> list[str]:
        """The file, and the second one of a delta: `delta.removed.rdf` beside `delta.rdf`."""
        if not self.is_delta or self.file == STANDARD_OUTPUT:
            return [self.file]
        path = Path(self.file)
        return [self.file, str(path.with_name(f"{path.stem}.removed{path.suffix}"))]

    @property
    def config_file(self) -> str | None:
        """The labelling configuration: `tasks.config.xml` beside `tasks.json`."""
        if self.file_format != "label-studio" or self.file == STANDARD_OUTPUT:
            return None
        path = Path(self.file)
        return str(path.with_name(f"{path.stem}.config.xml"))

    def selection(self, engine: Engine) -> Selection:
        """The enrichments.

        Raises:
            UsageError: there is no such job.
        """
        return Selection(
            job=None if self.job is None else find_job(engine, self.job),
            model=self.model.name if self.model else None,
            version=self.model.version if self.model else None,
            since=None if self.is_delta else self.since,
            changed_since=self.since if self.is_delta else None,
            verdict=VerdictKind.RIGHT if self.confirmed_only else None,
        )


def read_arguments(
    places: list[str],
    *,
    model: str | None,
    since: str | None,
    file_format: Format | None,
    confirmed_only: bool = False,
) -> Asked:
    """`places` are JOB and FILE, or FILE alone if `model` or `since` says what to export.

    Raises:
        UsageError: no selection or two selections are given, an argument is malformed, or the
            file's name says another format.
    """
    by_job = model is None and since is None
    if by_job and not places:
        raise UsageError("Choose what to export: a JOB, --model NAME[@VERSION] or --since TIME.")
    job, files = (places[0], places[1:]) if by_job else (None, places)
    if not by_job and (len(files) > 1 or any(map(id_of, files))):
        raise UsageError("Give either a JOB, or --model, --since or both.")
    if len(files) > 1:
        raise UsageError(f"Give one FILE, not {len(files)}: {' '.join(files)}")
    file = files[0] if files else STANDARD_OUTPUT
    return Asked(
        job=job,
        model=None if model is None else ModelName.parse(model),
        since=None if since is None else _time(since),
        file=file,
        file_format=_format(file, file_format),
        confirmed_only=confirmed_only,
    )


def _format(file: str, asked: Format | None) -> Format:
    """The format that is asked for, or that the file's name says; CSV if neither does."""
    ending = "" if file == STANDARD_OUTPUT else Path(file).suffix.lower()
    named = ENDINGS.get(ending)
    if asked and named not in (None, asked):
        raise UsageError(
            f"The name {file} is for the format {named}, but --format is {asked}. Choose "
            "another name or format."
        )
    if ending and not named and not asked:
        raise UsageError(
            f"The name {file} shows no known format. Let the name end with "
            f"{', '.join(ENDINGS)}, or give --format {'|'.join(get_args(Format))}."
        )
    return asked or named or "csv"


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a time. Write it in ISO 8601, such as 2026-11-23T22:00:00Z."
        ) from error
    try:
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError as error:
        raise UsageError(
            f"{text!r} is out of range. In UTC, the year must be 1 to 9999."
        ) from error
