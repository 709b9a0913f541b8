"""Jobs: the functions of the commands `worker jobs`, `status`, `pause`, `resume` and `cancel`."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from pydantic import Field
from sqlalchemy import Engine

from common.errors import UsageError
from common.store.tables import JobState, Role
from desk.api.declaring import Call, Endpoint, NoQuery
from desk.api.problems import StatusError
from worker import jobs as ledger
from worker.commands.control import SteeredJob
from worker.jobs.progress import JobRow, page_of_jobs
from worker.jobs.report import JobReport, report_job

MOST_JOBS = 200  # of a page


class JobsQuery(NoQuery):
    state: list[JobState] = Field(
        default=list(JobState), description="Only jobs in this state. You can repeat this option."
    )
    limit: int = Field(default=50, ge=1, le=MOST_JOBS, description="How many jobs a page has.")
    cursor: UUID | None = Field(default=None, description="`next` of the page before.")


@dataclass(frozen=True, kw_only=True)
class JobPage:
    """Jobs, the newest first. `next` is the cursor of the next page, null after the last one."""

    jobs: list[JobRow]
    next: UUID | None


def list_jobs(call: Call) -> JobPage:
    """List the jobs, the newest first."""
    query: JobsQuery = call.query
    found = page_of_jobs(call.desk.engine, query.state, before=query.cursor, most=query.limit + 1)
    shown = found[: query.limit]
    return JobPage(jobs=shown, next=shown[-1].job_id if len(found) > len(shown) else None)


def get_job(call: Call) -> JobReport:
    """Show the progress of a job, and the causes if the job is slow."""
    return report_job(call.desk.engine, job_of(call))


def pause_job(call: Call) -> SteeredJob:
    """Pause a job: workers begin no new chunks of this job.

    Workers finish the chunks that they work on.
    """
    return _steered(call, ledger.pause)


def resume_job(call: Call) -> SteeredJob:
    """Continue a paused job."""
    return _steered(call, ledger.resume)


def cancel_job(call: Call) -> SteeredJob:
    """Cancel a job: its records without an outcome are not processed.

    Outcomes and enrichments stay. A cancelled job cannot be resumed.
    """
    return _steered(call, ledger.cancel)


def job_of(call: Call) -> UUID:
    """The job that the address names.

    Raises:
        StatusError: 404; there is no such job.
    """
    job: UUID = call.path("job")
    try:
        return ledger.find_job(call.desk.engine, str(job))
    except UsageError:
        raise StatusError(404, f"There is no job {job}. See GET /v1/jobs") from None


def _steered(call: Call, act: Callable[[Engine, UUID], None]) -> SteeredJob:
    engine, job = call.desk.engine, job_of(call)
    try:
        act(engine, job)
    except UsageError as error:  # it is over
        raise StatusError(409, str(error)) from None
    return SteeredJob(job_id=job, state=ledger.status(engine, job).state)


def _steering(verb: str, view: Callable[[Call], SteeredJob]) -> Endpoint:
    return Endpoint(
        "POST",
        f"/jobs/{{job:uuid}}/{verb}",
        view,
        Role.OPERATOR,
        answers={200: SteeredJob},
        conflicts=True,
        logged=(),
    )


JOB_ROUTES = [
    Endpoint("GET", "/jobs", list_jobs, query=JobsQuery, answers={200: JobPage}),
    Endpoint("GET", "/jobs/{job:uuid}", get_job, answers={200: JobReport}),
    _steering("pause", pause_job),
    _steering("resume", resume_job),
    _steering("cancel", cancel_job),
]
