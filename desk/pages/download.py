"""Downloads: all that See shows with its filters, the failures of a job, and datasets."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from starlette.responses import Response

from common.errors import UsageError
from common.process.foreign_text import guard_row
from common.store.records import find_dataset
from common.store.tables import Outcome
from common.vocabulary.languages import READER
from desk.pages.see import check_outcome, shown
from desk.review.filters import JudgedState, ViewFilters
from desk.review.shown_models import ShownModel, models_of
from desk.review.suggestions import Suggestion
from desk.web.asking import DeskRequest, page
from desk.web.desk import Desk
from desk.web.streaming import download
from harvester.tables.csv_export import write_dataset
from worker.exports.formats.parquet import is_available, write_parquet
from worker.exports.formats.texts import write_csv, write_jsonld
from worker.exports.labels import ExportLabels
from worker.exports.promises import promises_of, told
from worker.exports.rows import EnrichmentRow
from worker.exports.selection import Selection, check_selection, selected

Writer = Callable[[Iterator[EnrichmentRow], BinaryIO, ExportLabels], int]
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
COLUMNS = (
    *("record_id", "title", "data_provider", "outcome"),
    *("concept", "label", "confidence", "model", "detail"),
)
AT_ONCE = 500  # records that one query reads


def suggestions(asked: DeskRequest) -> Response:
    """All pages that See has with these filters, as one file."""
    filters = replace(ViewFilters.of(asked.request.query_params), after="")
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, filters)
        check_outcome(filters, models)
        if filters.outcome is not Outcome.ENRICHED:
            write = partial(_write_outcomes, asked.desk, filters, models)
            name = f"{filters.outcome}.csv"
            return download(write, name=name, media_type=MEDIA_TYPES["csv"])
        if not models:
            raise UsageError("No model is in the store yet, so there are no enrichments.")
        selection = selection_of(filters, models)
        check_selection(connection, selection)
    return _enrichments(asked, selection)


def selection_of(filters: ViewFilters, models: Sequence[ShownModel]) -> Selection:
    of_model = models[0] if filters.job is None or filters.model is not None else None
    return Selection(
        job=filters.job,
        model=of_model.name if of_model else None,
        version=of_model.version if of_model else None,
        data_provider=filters.provider or None,
        concept=filters.concept or None,
        lowest=filters.lowest,
        highest=filters.highest,
        judged=None if filters.judged is JudgedState.ANY else filters.judged,
    )


def _enrichments(asked: DeskRequest, selection: Selection) -> Response:
    ending = asked.query("format") or "csv"
    if ending not in MEDIA_TYPES:
        raise UsageError(f"The format must be one of {', '.join(MEDIA_TYPES)}.")
    if ending == "parquet" and not is_available():
        raise UsageError("This desk cannot write Parquet, because pyarrow is not installed.")
    writers: dict[str, Writer] = {"csv": write_csv, "jsonl": write_jsonld}
    if ending == "parquet":
        whole = Selection(job=selection.job, model=selection.model, version=selection.version)
        promises = told(promises_of(asked.desk.engine, whole))
        writers["parquet"] = partial(write_parquet, asked=selection.asked(), promises=promises)
    with_wrong = bool(asked.query("with_wrong"))

    def write(stream: BinaryIO) -> None:
        languages = READER.get()
        with selected(
            asked.desk.engine, selection, with_wrong=with_wrong, wanted=languages
        ) as rows:
            writers[ending](rows, stream, rows.labels)

    return download(write, name=f"enrichments.{ending}", media_type=MEDIA_TYPES[ending])


def _write_outcomes(
    desk: Desk, filters: ViewFilters, models: list[ShownModel], stream: BinaryIO
) -> None:
    """Write records without an enrichment as CSV, with the reason and the most probable concept."""
    with io.TextIOWrapper(stream, encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        at: str | None = ""
        while at is not None:
            with desk.engine.connect() as connection:
                asked = replace(filters, after=at)
                found = shown(connection, desk, asked, models, count=AT_ONCE)
            for each in found.found:
                writer.writerow(guard_row(_cells(each, filters.outcome)))
            at = found.after


def _cells(each: Suggestion, outcome: Outcome) -> tuple[str, ...]:
    known = (each.record_id, each.title or "", each.data_provider or "", each.reason or outcome)
    confidence = "" if each.confidence is None else f"{each.confidence:.4f}"
    thought = (each.concept or "", each.label or "", confidence, each.model or "")
    return (*known, *thought, each.detail or "")


def dataset(asked: DeskRequest) -> Response:
    """The records of a dataset with their labels, in the form that `harvester import` reads."""
    name, engine = asked.path("dataset"), asked.desk.engine
    with engine.connect() as connection:
        number = find_dataset(connection, name)

    def write(stream: BinaryIO) -> None:
        with engine.connect() as connection, io.TextIOWrapper(stream, "utf-8", newline="") as file:
            write_dataset(connection, number, file)

    return download(write, name=f"{name}.csv", media_type=MEDIA_TYPES["csv"])


ROUTES = [page("/download", suggestions), page("/datasets/{dataset}", dataset)]
