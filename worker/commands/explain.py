"""`worker explain` and `worker tidy`: arguments only."""

from typing import Annotated

import typer

from common.files import output_stream
from common.process.settings import HeatmapSettings
from common.store.session import open_store
from worker.commands.options import JobRef, console
from worker.enrich.heatmap_files import remove_unknown
from worker.exports.page import missing, write_page
from worker.exports.selection import draw_sample, is_unfinished
from worker.jobs.names import find_job

SHOWN = 200  # enrichments
MOST_SHOWN = 5_000  # about 100 MB, as much as a browser can show


def explain(
    job: JobRef,
    file: Annotated[str, typer.Argument(help="the page, HTML; - for standard output")],
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_SHOWN, help="enrichments to show, as many of each label")
    ] = SHOWN,
) -> None:
    """Write a page of pictures with heatmaps of where the model looked, for a job with --explain.

    Reads the heatmaps from HEATMAP_DIR. Example: worker explain JOB looked_at.html
    """
    folder = HeatmapSettings.read().heatmap_dir
    engine = open_store()
    job_id = find_job(engine, job)
    if is_unfinished(engine, job_id):
        console.print("The job is not finished: more enrichments may follow.")
    sample = draw_sample(engine, job_id, limit=limit)
    if lost := missing(sample, folder):
        console.print(
            f"{lost:,} heatmaps are not in {folder}: is HEATMAP_DIR the same as the workers'?"
        )
    with output_stream(file) as stream:
        write_page(sample, stream, job=job_id, folder=folder)
    console.print(
        f"{len(sample.rows):,} of {sample.total:,} explained enrichments written to {file}.",
        markup=False,
    )
    if sample.left_out:
        console.print(f"{sample.left_out:,} are left out, since decisions block them.")


def tidy() -> None:
    """Remove heatmaps that are older than a day and belong to no enrichment.

    Workers that were killed or lost their chunk leave such heatmaps. So does a later job that
    removes or replaces an enrichment.
    """
    removed = remove_unknown(open_store(), HeatmapSettings.read().heatmap_dir)
    console.print(f"{removed.files:,} heatmaps removed, {removed.bytes / 1e6:,.1f} MB.")
