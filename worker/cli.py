"""The command `worker`: its list of commands; `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    (
        "Predicts concepts for records: enqueue record IDs, run workers, watch and control jobs, "
        "export."
    ),
    {
        "enqueue": "worker.commands.enqueue:enqueue",
        "run": "worker.commands.process:run",
        "jobs": "worker.commands.jobs:jobs",
        "status": "worker.commands.status:status",
        "failures": "worker.commands.failures:failures",
        "pause": "worker.commands.control:pause",
        "resume": "worker.commands.control:resume",
        "cancel": "worker.commands.control:cancel",
        "retry": "worker.commands.control:retry",
        "prune": "worker.commands.jobs:prune",
        "export": "worker.commands.export:export",
        "explain": "worker.commands.explain:explain",
        "tidy": "worker.commands.explain:tidy",
        "similar": "worker.commands.similar:similar",
        "health": "worker.commands.process:health",
        "embeddings": "worker.commands.embeddings:embeddings",
    },
)


def main() -> None:
    app()
