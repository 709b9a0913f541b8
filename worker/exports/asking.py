"""The arguments of `worker export`, as a selection and a file."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from common.errors import UsageError
from common.files import STANDARD_OUTPUT
from common.store.model_names import ModelName
from worker.exports.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The selection to export, and the path to write to, `-` for standard output."""

    selection: Selection
    file: str


def read_arguments(places: list[str], *, model: str | None, since: str | None) -> Asked:
    """`places` are JOB and FILE, or FILE alone if `model` or `since` says what to export.

    Raises:
        UsageError: no selection or two selections are given, or an argument is malformed.
    """
    by_job = model is None and since is None
    if by_job and not places:
        raise UsageError("Say what to export: a JOB, --model NAME[@VERSION] or --since TIME.")
    if not by_job and any(_job(place) for place in places):
        raise UsageError("Give either a JOB, or --model, --since or both.")
    job, files = (places[0], places[1:]) if by_job else (None, places)
    if len(files) > 1:
        raise UsageError(f"Give one FILE, not {len(files)}: {' '.join(files)}")
    selection = _of_job(job) if job else _of_model(model, since)
    return Asked(selection=selection, file=files[0] if files else STANDARD_OUTPUT)


def _of_job(text: str) -> Selection:
    job = _job(text)
    if job is None:
        raise UsageError(
            f"{text!r} is no job's ID; expected the ID that enqueue printed, --model or --since."
        )
    return Selection(job=job)


def _of_model(model: str | None, since: str | None) -> Selection:
    named = None if model is None else ModelName.parse(model)
    return Selection(
        model=named.name if named else None,
        version=named.version if named else None,
        since=None if since is None else _time(since),
    )


def _job(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time; expected ISO 8601, such as 2026-11-23T22:00:00Z."
        ) from error
    try:
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError as error:
        raise UsageError(f"{text!r} is out of range: in UTC it has no year 1 to 9999.") from error
