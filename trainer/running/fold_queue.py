"""The queue `train`: which folds are to be trained, for machines that share the disk.

A message is only a hint at a fold. It is acknowledged when it is taken, not hours later when the
fold is done: whether that is so is on the disk, and a hint that was lost is sent again.
"""

from collections.abc import Callable, Iterable
from typing import Annotated

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common import broker
from common.errors import BrokerError
from common.process.messages import by_name, first_problem
from common.process.settings import BrokerSettings
from trainer.folds.experiment import NAME

TRAIN_FOLD = "trainer.train_fold"
QUEUE = "train"
MAX_FOLDS = 1_000

log = structlog.get_logger()


class _FoldName(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    experiment: Annotated[str, Field(max_length=200, pattern=f"^{NAME}$")]
    fold: Annotated[int, Field(ge=0, lt=MAX_FOLDS)]


def create_app() -> Celery:
    """The Celery application of the queue, without its task.

    Raises:
        UsageError: BROKER_URL is missing.
        BrokerError: the broker cannot be reached.
    """
    app = broker.create_app("trainer", BrokerSettings.read(), [QUEUE])
    on_redis = app.conf.broker_url.startswith("redis")  # elsewhere a worker holds one hint more
    app.conf.update(task_acks_late=False, worker_disable_prefetch=on_redis)
    broker.check_broker(app)
    return app


def register_task(app: Celery, train: Callable[[str, int], None]) -> None:
    """Give the application its task: `train` is told the experiment and the number of the fold."""

    @app.task(name=TRAIN_FOLD)
    def train_fold(*args: object, **kwargs: object) -> None:
        try:
            hint = _FoldName.model_validate(by_name(args, kwargs, _FoldName))
        except ValidationError as error:
            log.error("message refused", error=first_problem(error))
            return
        train(hint.experiment, hint.fold)


class FoldQueue:
    """The sending end."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, experiment: str, folds: Iterable[int]) -> None:
        """Put hints at folds into the queue.

        Raises:
            BrokerError: the broker is away.
        """
        try:
            for fold in folds:
                self._app.send_task(TRAIN_FOLD, args=[experiment, fold], queue=QUEUE)
        except OperationalError as error:
            raise BrokerError(f"The broker at BROKER_URL is away: {error}") from None

    def is_empty(self) -> bool:
        """Whether every hint was taken, or is lost.

        Raises:
            BrokerError: the broker is away.
        """
        return broker.count_waiting(self._app, QUEUE) == 0
