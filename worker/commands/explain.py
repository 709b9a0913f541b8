"""`worker explain` and `worker tidy`: arguments only."""

from typing import Annotated

import typer

from common.files import output_stream
from common.store.session import open_store
from worker.commands.options import JobId, console
from worker.enrich.heatmap_files import remove_unknown
from worker.exports.page import missing, write_page
from worker.exports.selection import draw_sample, is_unfinished
from worker.process.settings import HeatmapSettings

SHOWN = 200
MOST_SHOWN = 5_000  # some 100 MB, about what a browser bears


def explain(
    job: JobId,
    file: Annotated[str, typer.Argument(help="the page, HTML; - for standard output")],
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_SHOWN, help="enrichments to show, of all labels alike")
    ] = SHOWN,
) -> None:
    """Write a page of pictures and heatmaps: where the model looked, in a job with --explain.

    Reads the heatmaps from HEATMAP_DIR. Example: worker explain JOB looked_at.html
    """
    folder = HeatmapSettings.read().heatmap_dir
    engine = open_store()
    if is_unfinished(engine, job):
        console.print("The job is not finished: more enrichments may follow.")
    sample = draw_sample(engine, job, limit=limit)
    if lost := missing(sample, folder):
        console.print(f"{lost:,} heatmaps are not in {folder}: does HEATMAP_DIR name the workers'?")
    with output_stream(file) as stream:
        write_page(sample, stream, job=job, folder=folder)
    console.print(
        f"{len(sample.rows):,} of {sample.total:,} explained enrichments written to {file}.",
        markup=False,
    )


def tidy() -> None:
    """Remove heatmaps older than a day that no enrichment refers to any more.

    They are left by workers that were killed or lost their chunk, and by enrichments that a later
    job took back or explained anew.
    """
    removed = remove_unknown(open_store(), HeatmapSettings.read().heatmap_dir)
    console.print(f"{removed.files:,} heatmaps removed, {removed.bytes / 1e6:,.1f} MB.")
