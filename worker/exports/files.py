"""The file that an export writes, or standard output."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Engine

from common.files import STANDARD_OUTPUT, replacing, standard_output
from common.process.terminal.progress import ProgressReport, progress
from worker.exports.formats.label_studio import write_configuration
from worker.exports.formats.texts import write_removed
from worker.exports.labels import ExportLabels
from worker.exports.rows import EnrichmentRow
from worker.exports.selection import Selection, selected

ROWS_A_REPORT = 1_000

Write = Callable[[Iterable[EnrichmentRow], BinaryIO, ExportLabels], int]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The file, and how many enrichments were written to it.

    Decisions block `left_out` more, and reviewers call `wrong` more wrong. `removed_file` names
    `removed` statements that an earlier export may have had; null without changes in EDM.
    `config_file` is the labelling configuration of Label Studio, null in other formats.
    """

    file: str
    written: int
    left_out: int
    wrong: int
    removed_file: str | None
    removed: int | None
    config_file: str | None = None


def export(
    engine: Engine,
    selection: Selection,
    places: Sequence[str],
    write: Write,
    *,
    config_file: str | None = None,
    with_wrong: bool = False,
    wanted: Iterable[str] = (),
) -> Exported:
    """Write a selection to a file, or to standard output if it is `-`.

    Args:
        places: the file, and the file for statements to remove, if changes are selected.
        config_file: for the labelling configuration of Label Studio.
        with_wrong: also what more reviewers call wrong than right.
        wanted: the languages of labels, the best first.

    Raises:
        UsageError: there is no such job or model.
        EnrichmentError: a file cannot be written; a former file stays as it was.
    """
    file = places[0]
    removed_file = places[1] if len(places) > 1 else None
    removed = None
    with (
        selected(engine, selection, with_wrong=with_wrong, wanted=wanted) as rows,
        _output(file) as stream,
        progress("export") as report,
    ):
        written = write(_reported(rows, report), stream, rows.labels)
        if removed_file:
            with _output(removed_file) as stream_of_removed:
                removed = write_removed(rows.removed, stream_of_removed)
        if config_file:
            with _output(config_file) as stream_of_config:
                write_configuration(rows.labels.of_concepts(), stream_of_config)
        return Exported(
            file=file,
            written=written,
            left_out=rows.left_out,
            wrong=rows.wrong,
            removed_file=removed_file,
            removed=removed,
            config_file=config_file,
        )


@contextmanager
def _output(file: str) -> Iterator[BinaryIO]:
    if file == STANDARD_OUTPUT:
        stream = standard_output().buffer
        yield stream
        stream.flush()
        return
    with replacing(Path(file)) as unfinished, unfinished.open("wb") as stream:
        yield stream


def _reported(rows: Iterable[EnrichmentRow], report: ProgressReport) -> Iterator[EnrichmentRow]:
    count = 0
    for count, row in enumerate(rows, start=1):
        yield row
        if count % ROWS_A_REPORT == 0:
            report.advance(ROWS_A_REPORT)
    report.advance(count % ROWS_A_REPORT)
