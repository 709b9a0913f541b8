"""Folds side by side: one process per device, each with one fold at a time.

A fold does not know of the others, so its numbers are those of a training in sequence; on a CPU,
those of one with as many threads. The processes are spawned, so that each opens its device anew.
They send messages through a pipe: every epoch, then the result or the error. They end with the
process that started them, however that ends.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from typing import Protocol, Self, cast

import structlog
import torch

from common.errors import EnrichmentError, UsageError
from common.process.command import configure_logging
from common.process.progress import progress
from trainer.claims import ClaimedError
from trainer.experiment import FoldResult
from trainer.learning.state import Epoch
from trainer.running.fold import Assignment, run_fold

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


def parse_devices(text: str) -> list[torch.device]:
    """Devices out of a list such as `cuda:0,cuda:1`.

    Raises:
        UsageError: one does not exist here.
    """
    devices = []
    for name in text.split(","):
        try:
            devices.append(torch.empty(0, device=name.strip()).device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"There is no device {name.strip()!r} here: {reason}") from None
    return devices


def threads_each(devices: Sequence[torch.device]) -> int:
    """The CPU threads of a process, where there is one for each device."""
    return max(1, torch.get_num_threads() // len(devices))


def run_side_by_side(
    numbers: Sequence[int], assignment: Assignment, *, devices: Sequence[torch.device]
) -> Iterator[FoldResult]:
    """Train folds of a begun experiment, as many at a time as there are devices.

    Their results come as they are done.

    Raises:
        EnrichmentError: a fold failed, or its process was killed; the others are ended.
    """
    with progress("Epochs", len(numbers) * assignment.config.all_epochs) as report:

        def show(fold: int, epoch: Epoch) -> None:
            report.advance(note=f"fold {fold + 1}: {epoch}")

        yield from _run(numbers, assignment, devices, show)


def _run(
    numbers: Sequence[int],
    assignment: Assignment,
    devices: Sequence[torch.device],
    on_epoch: Callable[[int, Epoch], None],
) -> Iterator[FoldResult]:
    threads = threads_each(devices)
    waiting, free = deque(numbers), deque(devices)
    running: dict[Connection, tuple[FoldProcess, torch.device]] = {}
    try:
        while waiting or running:
            while waiting and free:
                number, device = waiting.popleft(), free.popleft()
                work = partial(run_fold, number, assignment, device=device)
                process = FoldProcess(number, work, threads=threads)
                running[process.pipe] = (process, device)
            for pipe in cast("list[Connection]", wait(list(running))):
                process, device = running[pipe]
                message = process.receive()
                if isinstance(message, Epoch):
                    on_epoch(process.fold, message)
                    continue
                del running[pipe]
                process.close()
                free.append(device)
                yield message
    finally:
        for process, _ in running.values():
            process.kill()
            process.close()
