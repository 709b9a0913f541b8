"""One action for many jobs: those that were ticked, or all that match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.tables import JobState
from worker import jobs

MOST_JOBS = 1_000  # that one action steers

_MATCHING = text("""
    SELECT id FROM job WHERE state = ANY(CAST(:states AS text[])) AND pruned_at IS NULL
    ORDER BY created_at LIMIT :most
""")
ACTIONS: dict[str, Callable[[Engine, UUID], object]] = {
    "pause": jobs.pause,
    "resume": jobs.resume,
    "cancel": jobs.cancel,
    "retry": jobs.retry,
}
# In which states an action means anything: where all that match are meant, others are left alone.
_MEANT: dict[str, set[JobState]] = {
    "pause": {JobState.RUNNING},
    "resume": {JobState.PAUSED},
    "cancel": {JobState.RUNNING, JobState.PAUSED},
    "retry": {JobState.RUNNING, JobState.PAUSED, JobState.DONE},
}


@dataclass(frozen=True, kw_only=True)
class Steered:
    """How many jobs an action was done to, and why not to the others, the first few of them."""

    done: int
    refused: tuple[str, ...]


def matching(engine: Engine, states: Sequence[JobState], action: str) -> list[UUID]:
    """The jobs in these states for which an action means anything, the oldest first."""
    meant = [each for each in states if each in _MEANT[action]]
    with engine.connect() as connection:
        asked = {"states": meant, "most": MOST_JOBS}
        return list(connection.execute(_MATCHING, asked).scalars())


def steer(engine: Engine, chosen: Sequence[UUID], action: str) -> Steered:
    """Do an action to jobs, one after the other; one that refuses does not stop the others.

    Raises:
        UsageError: they are too many.
    """
    if len(chosen) > MOST_JOBS:
        raise UsageError(f"{len(chosen):,} jobs at once; {MOST_JOBS:,} are allowed.")
    refused = []
    for job in chosen:
        try:
            ACTIONS[action](engine, job)
        except UsageError as error:
            refused.append(str(error))
    return Steered(done=len(chosen) - len(refused), refused=tuple(refused[:3]))
