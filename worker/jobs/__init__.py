"""Jobs, for the commands and for other programs:

from common.store.session import open_store
from worker import jobs

engine = open_store()  # reads DATABASE_URL
accepted = jobs.enqueue(engine, ["/2021618/internetserver_Details_kunst_10561"])
print(jobs.status(engine, accepted.job_id).waiting, "records wait")
"""

from common.vision.answers.drift import ModelDrift, ProviderDrift, drift_of_job
from worker.jobs.accept import Accepted, JobOptions, Preview, Records, enqueue, preview
from worker.jobs.names import find_job
from worker.jobs.progress import FailingHost, JobRow, Status, failing_hosts, list_jobs, status
from worker.jobs.prune import PrunedJobs, prune
from worker.jobs.records import RecordSelection
from worker.jobs.steer import cancel, pause, resume, retry
from worker.jobs.without_promise import Unpromised, unpromised

__all__ = [
    "Accepted",
    "FailingHost",
    "JobOptions",
    "JobRow",
    "ModelDrift",
    "Preview",
    "ProviderDrift",
    "PrunedJobs",
    "RecordSelection",
    "Records",
    "Status",
    "Unpromised",
    "cancel",
    "drift_of_job",
    "enqueue",
    "failing_hosts",
    "find_job",
    "list_jobs",
    "pause",
    "preview",
    "prune",
    "resume",
    "retry",
    "status",
    "unpromised",
]
