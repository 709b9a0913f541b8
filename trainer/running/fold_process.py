"""A fold in a process of its own, which ends with the one that started it, however that ends.

The processes are spawned, so that each meets its device anew, and tell what happens by a pipe:
epochs as they pass, then the result or why there is none.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import parent_process
from typing import Protocol, Self, cast

import structlog
import torch

from common.errors import EnrichmentError, UsageError
from common.process.logs import configure_logging
from trainer.folds.claims import ClaimedError
from trainer.folds.experiment import FoldResult
from trainer.learning.state import Epoch

log = structlog.get_logger()


class Work(Protocol):
    """What a process does: trains a fold, and tells of its epochs as they pass."""

    def __call__(self, *, on_epoch: Callable[[Epoch], None]) -> FoldResult: ...


@dataclass(frozen=True)
class _Failure:
    """What an error says, and what its receiver does about it; as it is, it might not travel."""

    message: str
    kind: type[EnrichmentError] = EnrichmentError

    @classmethod
    def of(cls, error: EnrichmentError) -> Self:
        kinds = (ClaimedError, UsageError, EnrichmentError)
        return cls(str(error), next(kind for kind in kinds if isinstance(error, kind)))


class FoldProcess:
    """One fold at work; `work` must be picklable, `threads` are those of a CPU."""

    def __init__(self, fold: int, work: Work, *, threads: int) -> None:
        self.fold = fold
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(duplex=False)
        with theirs, _no_interrupt():
            self._process = context.Process(target=_live, args=(work, threads, theirs), daemon=True)
            self._process.start()

    def receive(self) -> Epoch | FoldResult:
        """What it tells next; the last is the result.

        Raises:
            ClaimedError, UsageError: as in its process.
            EnrichmentError: the fold failed, or its process was killed.
        """
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            raise EnrichmentError(
                f"The process of fold {self.fold + 1} was killed, perhaps for its memory; "
                "the same command goes on where it was."
            ) from None
        if isinstance(message, _Failure):
            raise message.kind(message.message)
        return cast("Epoch | FoldResult", message)

    def result(self) -> FoldResult:
        """The result, waited for.

        Raises:
            EnrichmentError: as `receive`.
        """
        while isinstance(message := self.receive(), Epoch):
            pass
        return message

    def kill(self) -> None:
        """End it at once; what it saved stays."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end, which is near once it has told its result or was killed."""
        self.pipe.close()
        self._process.join()
        self._process.close()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """A process that is started meanwhile never sees Ctrl-C: the one who started it ends it."""
    resource_tracker.ensure_running()  # else it is started now, and lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live(work: Work, threads: int, pipe: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    configure_logging()
    torch.set_num_threads(threads)
    with suppress(BrokenPipeError):  # nobody listens any more
        pipe.send(_outcome(work, pipe.send))


def _outcome(work: Work, on_epoch: Callable[[Epoch], None]) -> FoldResult | _Failure:
    try:
        return work(on_epoch=on_epoch)
    except EnrichmentError as error:
        return _Failure.of(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the process ends here; the other one tells why
        log.exception("the process of a fold failed")
        return _Failure(f"The process of a fold failed: {type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
