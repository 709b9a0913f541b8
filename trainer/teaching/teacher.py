"""The teacher: a process that retrains heads as the desk asks, one request after another.

A teacher leases a request while it works on it. If it dies, the lease runs out, and the next
teacher begins again: the same examples give the same model.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog
import torch
from sqlalchemy import Engine

from common.errors import EnrichmentError
from common.process.database_trouble import AWAY, trouble
from common.process.periodic import PeriodicThread
from common.store.in_service import begin_service
from common.store.teaching.refits import (
    RefitClaim,
    RefitLostError,
    claim_refit,
    end_refit,
    fail_refit,
    renew_refit,
)
from trainer.models.catalogue import find_model
from trainer.teaching.examples import read_examples
from trainer.teaching.refit import refit, result_of
from trainer.teaching.taught_model import open_teachable, save_taught

EVERY = 0.5  # seconds between two searches for a request
WHILE_AWAY = 5.0  # seconds until the database is asked again
LEASE_SECONDS = 30.0  # after which another teacher takes the request of one that died
RENEWALS = 6  # per lease
UNEXPECTED = "Retraining failed for an unexpected reason. See the log of the teacher."
log = structlog.get_logger()


def run_teacher(engine: Engine, model_dir: Path) -> None:
    """Work until SIGTERM or Ctrl-C, and finish the current request first.

    It computes with one thread. Workers and the desk share the machine, a second thread gains
    little, and with one thread the order of sums is always the same.
    """
    torch.set_num_threads(1)
    with _stopping() as stopping:
        log.info("teacher ready", models=str(model_dir))
        while not stopping.is_set():
            try:
                if not teach_next(engine, model_dir):
                    stopping.wait(EVERY)
            except AWAY as error:
                log.warning(f"{trouble(error)}; the teacher tries again until the database answers")
                stopping.wait(WHILE_AWAY)
    log.info("teacher stopped")


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that a signal sets; the old handlers return after the block."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def teach_next(engine: Engine, model_dir: Path, *, lease_seconds: float = LEASE_SECONDS) -> bool:
    """Do the request that waits longest, or record why it cannot be done.

    Returns:
        Whether there was one.
    """
    with engine.begin() as connection:
        claim = claim_refit(connection, lease_seconds=lease_seconds)
    if claim is None:
        return False
    wish = claim.wish
    with structlog.contextvars.bound_contextvars(refit=wish.id, provider=wish.data_provider):
        keeper = RefitKeeper(engine, claim, lease_seconds=lease_seconds)
        keeper.start()
        try:
            if problem := _teach_or_say_why(engine, model_dir, claim):
                with engine.begin() as connection:
                    fail_refit(connection, claim, problem)
        except RefitLostError:
            log.warning("the lease ran out: another teacher retrains this model")
        finally:
            keeper.stop()
    return True


class RefitKeeper(PeriodicThread):
    def __init__(self, engine: Engine, claim: RefitClaim, *, lease_seconds: float) -> None:
        super().__init__("refit-lease", interval=lease_seconds / RENEWALS)
        self._engine = engine
        self._claim = claim
        self._lease_seconds = lease_seconds

    def run_once(self) -> None:
        with self._engine.begin() as connection:
            renew_refit(connection, self._claim, lease_seconds=self._lease_seconds)


def _teach_or_say_why(engine: Engine, model_dir: Path, claim: RefitClaim) -> str | None:
    try:
        _teach(engine, model_dir, claim)
    except (RefitLostError, *AWAY):
        raise
    except EnrichmentError as error:
        log.warning("retraining is not possible", problem=str(error))
        return str(error)
    except Exception:  # one request must not end the others
        log.exception("retraining failed")
        return UNEXPECTED
    return None


def _teach(engine: Engine, model_dir: Path, claim: RefitClaim) -> None:
    wish = claim.wish
    log.info("retraining begun", model=wish.model)
    base = open_teachable(engine, model_dir, wish.model_id)
    with engine.connect() as reading:
        pictures = read_examples(
            reading, base.description, base.encoder.id, data_provider=wish.data_provider
        )
    examples = pictures.examples
    head = refit(examples, base.heads)
    made = save_taught(engine, model_dir, base, head, examples, data_provider=wish.data_provider)
    taught = find_model(engine, f"{made.name}@{made.version}")
    result = result_of(pictures, head, base.description.concept_uris)
    is_better = result["in_service"] = head.after.right >= head.before.right
    with engine.begin() as connection:
        end_refit(connection, claim, result=result, taught_id=taught.id)
        if is_better:
            begin_service(
                connection, taught.id, data_provider=wish.data_provider, began_by=wish.asked_by
            )
    log.info(
        "retraining done",
        model=taught.title,
        verdicts=examples.judged,
        before=round(head.before.right / head.before.tested, 3),
        after=round(head.after.right / head.after.tested, 3),
    )
