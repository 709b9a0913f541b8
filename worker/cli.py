"""The command `worker`: its list of commands; `commands` has their arguments."""

from common.process.command import command_group
from worker.commands.control import cancel, pause, resume, retry
from worker.commands.embeddings import embeddings
from worker.commands.enqueue import enqueue
from worker.commands.explain import explain, tidy
from worker.commands.export import export
from worker.commands.health import health
from worker.commands.jobs import jobs
from worker.commands.refused import refused
from worker.commands.run import run
from worker.commands.similar import similar
from worker.commands.status import status

app = command_group(
    "Predicts concepts for records: enqueue record IDs, run workers, watch and steer jobs, export."
)
for command in (
    enqueue,
    run,
    jobs,
    status,
    pause,
    resume,
    cancel,
    retry,
    export,
    explain,
    tidy,
    similar,
    health,
    refused,
):
    app.command()(command)
app.add_typer(embeddings, name="embeddings")


def main() -> None:
    """Run the command line."""
    app()
