"""The teacher: a process that grants the wishes for refits, one after another.

The row of a wish is locked while it is worked on. If the teacher dies, the lock ends with it, and
the next teacher begins the wish anew: the same examples give the same model.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog
import torch
from sqlalchemy import Connection, Engine

from common.errors import EnrichmentError
from common.process.database_trouble import AWAY, trouble
from common.store.in_service import begin_service
from common.store.session import allow_pauses
from common.store.teaching.refits import RefitStatus, claim_refit, end_refit, fail_refit
from trainer.models.catalogue import find_model
from trainer.teaching.examples import read_examples
from trainer.teaching.refit import refit, result_of
from trainer.teaching.taught_model import open_teachable, save_taught

EVERY = 0.5  # seconds between two looks for a wish
WHILE_AWAY = 5.0  # seconds until the database is asked again
UNEXPECTED = "The refit failed for a reason that nobody expected; the log of the teacher has it."
log = structlog.get_logger()


def run_teacher(engine: Engine, model_dir: Path) -> None:
    """Grant wishes until SIGTERM or Ctrl-C; the one in work is finished first.

    It computes with one thread: workers and the desk share the machine, a second thread gains
    little, and the order of sums is always the same.
    """
    torch.set_num_threads(1)
    with _stopping() as stopping:
        log.info("teacher ready", models=str(model_dir))
        while not stopping.is_set():
            try:
                if not teach_next(engine, model_dir):
                    stopping.wait(EVERY)
            except AWAY as error:
                log.warning(f"{trouble(error)}; tried again until that is over")
                stopping.wait(WHILE_AWAY)
    log.info("teacher stopped")


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that a signal sets; handlers are as before after the block."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def teach_next(engine: Engine, model_dir: Path) -> bool:
    """Grant the wish that waits longest, or say why it cannot be granted.

    Returns:
        Whether there was one.
    """
    with engine.begin() as connection:
        wish = claim_refit(connection)
        if wish is None:
            return False
        allow_pauses(connection)  # nobody waits for its lock: other teachers skip it
        with structlog.contextvars.bound_contextvars(refit=wish.id, provider=wish.data_provider):
            try:
                with connection.begin_nested():
                    _teach(connection, engine, model_dir, wish)
            except AWAY:
                raise
            except EnrichmentError as error:
                log.warning("nothing can be taught", problem=str(error))
                fail_refit(connection, wish.id, str(error))
            except Exception:  # one wish must not end the others
                log.exception("a refit failed")
                fail_refit(connection, wish.id, UNEXPECTED)
        return True


def _teach(connection: Connection, engine: Engine, model_dir: Path, wish: RefitStatus) -> None:
    log.info("refit begun", model=wish.model)
    base = open_teachable(engine, model_dir, wish.model_id)
    with engine.connect() as reading:
        pictures = read_examples(
            reading, base.description, base.encoder.id, data_provider=wish.data_provider
        )
    examples = pictures.examples
    head = refit(examples, base.heads)
    made = save_taught(engine, model_dir, base, head, examples, data_provider=wish.data_provider)
    taught = find_model(engine, f"{made.name}@{made.version}")
    if is_better := head.after.right >= head.before.right:
        begin_service(
            connection, taught.id, data_provider=wish.data_provider, began_by=wish.asked_by
        )
    result = result_of(pictures, head, base.description.concept_uris)
    result["in_service"] = is_better
    end_refit(connection, wish.id, result=result, taught_id=taught.id)
    log.info(
        "refit done",
        model=taught.title,
        verdicts=examples.judged,
        before=round(head.before.right / head.before.tested, 3),
        after=round(head.after.right / head.after.tested, 3),
    )
