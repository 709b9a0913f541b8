"""A worker that never asks again by itself when it has found nothing."""

import worker.cli
from tests.worker.processes.running import TIMEOUT
from worker.process.chunk_threads import ChunkThreads


def main() -> None:
    """The command `worker`."""
    ChunkThreads.seconds_until_next = lambda _: 10 * TIMEOUT  # type: ignore[method-assign]
    worker.cli.main()
