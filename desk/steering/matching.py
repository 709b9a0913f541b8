"""An action on many jobs: the ticked ones, or all that match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.tables import JobState
from worker import jobs

MOST_JOBS = 1_000  # jobs for one action

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
# The states in which an action has an effect. "All that match" leaves out jobs in other states.
_MEANT: dict[str, set[JobState]] = {
    "pause": {JobState.RUNNING},
    "resume": {JobState.PAUSED},
    "cancel": {JobState.RUNNING, JobState.PAUSED},
    "retry": {JobState.RUNNING, JobState.PAUSED, JobState.DONE},
}


@dataclass(frozen=True, kw_only=True)
class Steered:
    """How many jobs an action changed, and the first few reasons why it did not change others."""

    done: int
    refused: tuple[str, ...]


def matching(engine: Engine, states: Sequence[JobState], action: str) -> list[UUID]:
    """The jobs in these states on which an action has an effect, the oldest first."""
    meant = [each for each in states if each in _MEANT[action]]
    with engine.connect() as connection:
        asked = {"states": meant, "most": MOST_JOBS}
        return list(connection.execute(_MATCHING, asked).scalars())


def steer(engine: Engine, chosen: Sequence[UUID], action: str) -> Steered:
    """Apply an action to jobs, one by one. If it fails for one job, the others still follow.

    Raises:
        UsageError: there are too many jobs.
    """
    if len(chosen) > MOST_JOBS:
        raise UsageError(f"You chose {len(chosen):,} jobs; at most {MOST_JOBS:,} are allowed.")
    refused = []
    for job in chosen:
        try:
            ACTIONS[action](engine, job)
        except UsageError as error:
            refused.append(str(error))
    return Steered(done=len(chosen) - len(refused), refused=tuple(refused[:3]))
