"""`worker status`: arguments only."""

from typing import Annotated

import typer

from common.process.terminal.json_output import AsJson, print_json, prints
from common.store.model_names import ModelName
from worker.commands.options import JobRef, console
from worker.jobs.report import JobReport

UNDONE = (
    "The decisions that blocked these records were undone. To write their concepts, enqueue "
    "the records again."
)


@prints(JobReport)
def status(
    job: JobRef,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the progress until the job is done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the progress of a job: outcomes, reasons for failures, and causes of delays.

    Also show the decisions that blocked records. For each data provider, compare the predictions in
    the job with the predictions at promotion.

    Example: worker status last --watch
    """
    from common.store.session import open_store
    from worker.commands.watch import show_report, watch_job
    from worker.jobs.names import find_job
    from worker.jobs.prune import told_pruned
    from worker.jobs.report import report_job

    engine = open_store()
    job_id = find_job(engine, job)
    report = watch_job(engine, job_id) if watch else report_job(engine, job_id)
    if as_json:
        print_json(report, JobReport)
        return
    show_report(report)
    for decision in report.blocked_by:
        console.print(str(decision), soft_wrap=True)
    if report.blocked and not report.blocked_by and not report.pruned_at:
        console.print(UNDONE, soft_wrap=True)
    for each in report.nothing_promised:
        console.print(str(each), soft_wrap=True)
    if report.pruned_at:
        console.print(told_pruned(report.job_id, report.pruned_at), soft_wrap=True)
    console.print(_next(report), soft_wrap=True)


def _next(report: JobReport) -> str:
    if report.state == "paused":
        return f"Next: worker resume {report.job_id}"
    if report.state == "running":
        return f"Next: worker status {report.job_id} --watch"
    if report.pruned_at:
        model = ModelName.parse(report.model.split(",")[0])  # the first, if there are several
        return f"Next: worker export --model {model} enrichments.csv"
    export = f"Next: worker export {report.job_id} enrichments.csv"
    failures = f", or: worker failures {report.job_id}" if report.failed else ""
    return export + failures
