"""`worker explain` and `worker tidy`: arguments only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from common.errors import EnrichmentError, UsageError
from common.files import STANDARD_OUTPUT, output_stream
from common.process.settings import HeatmapSettings
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.shared_options import Force, Languages, check_output_file
from common.store.session import open_store
from common.vocabulary.languages import checked_languages
from worker.commands.options import JobRef, console
from worker.enrich.heatmap_files import Removed, remove_unknown
from worker.exports.page import missing, write_page
from worker.exports.selection import Sample, draw_sample
from worker.exports.to_come import is_unfinished
from worker.jobs.names import find_job

SHOWN = 200  # enrichments
MOST_SHOWN = 5_000  # about 100 MB, as much as a browser can show


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The page, how many of the `total` enrichments with heatmaps it shows, and what is not there.

    `missing` heatmaps are not in HEATMAP_DIR. `left_out` enrichments are blocked by decisions.
    """

    file: str
    shown: int
    total: int
    missing: int
    left_out: int


@prints(Explained)
def explain(
    job: JobRef,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="HTML file to write. - writes to standard output.")
    ],
    limit: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_SHOWN,
            help="Number of enrichments to show. Each label has the same number.",
        ),
    ] = SHOWN,
    lang: Languages = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a page with pictures and heatmaps that show where the model looked.

    The job must have been enqueued with --explain. The heatmaps are in HEATMAP_DIR.

    Example: worker explain last looked_at.html
    """
    if file == STANDARD_OUTPUT and as_json:
        raise UsageError(
            "With --json, give a FILE, because standard output cannot hold the page and the JSON."
        )
    wanted = [] if lang is None else checked_languages(lang)
    check_output_file(file, force=force)
    folder = HeatmapSettings.read().heatmap_dir
    engine = open_store()
    job_id = find_job(engine, job)
    if is_unfinished(engine, job_id):
        console.print("The job is not finished: more enrichments may follow.")
    sample = draw_sample(engine, job_id, limit=limit, wanted=wanted)
    lost = _check_heatmaps(sample, folder)
    with output_stream(file) as stream:
        write_page(sample, stream, job=job_id, folder=folder)
    shown = len(sample.rows)
    of_total = counted(sample.total, "explained enrichment")
    where = "standard output" if file == STANDARD_OUTPUT else file
    console.print(f"{shown:,} of {of_total} written to {where}.", soft_wrap=True)
    if sample.left_out:
        are = counted(sample.left_out, "is", "are")
        console.print(f"{are} left out, because decisions block them.")
    if as_json:
        counts = {"shown": shown, "total": sample.total, "left_out": sample.left_out}
        print_json(Explained(file=file, missing=lost, **counts), Explained)


def _check_heatmaps(sample: Sample, folder: Path) -> int:
    """How many heatmaps are missing; the page says so for each.

    Raises:
        EnrichmentError: all of them are.
    """
    lost, asked = missing(sample, folder), len(sample.rows)
    same = "Check that HEATMAP_DIR is the folder of the workers."
    if lost == asked:
        raise EnrichmentError(
            f"None of the {counted(asked, 'heatmap')} is in {folder}. {same} No page was written."
        )
    if lost:
        console.print(f"{lost:,} of {asked:,} heatmaps are not in {folder}. {same}", soft_wrap=True)
    return lost


@prints(Removed)
def tidy(as_json: AsJson = False) -> None:
    """Remove heatmaps that are older than a day and do not belong to an enrichment.

    These heatmaps come from killed workers, and from jobs that removed or replaced an enrichment.

    Example: worker tidy
    """
    folder = HeatmapSettings.read().heatmap_dir
    removed = remove_unknown(open_store(), folder)
    if not folder.is_dir():
        console.print(f"There is no folder {folder}. Check HEATMAP_DIR, if jobs use --explain.")
    console.print(f"{counted(removed.files, 'heatmap')} removed, {removed.bytes / 1e6:,.1f} MB.")
    if as_json:
        print_json(removed, Removed)
