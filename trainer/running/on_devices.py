"""Folds side by side: one process per device, each with one fold at a time.

Folds are independent, so the numbers are those of a training in sequence (on a CPU: with as many
threads). The processes are forked from one that has imported what a fold needs and has opened no
device. So each opens its own device, and none waits for imports. They send messages through a
pipe: every epoch, then the result or the error. When the process that started them ends, they end
too, even if it is killed.

`ProcessPoolExecutor` does not fit. One killed child breaks the whole pool and does not name its
fold. Children have no channel for epochs, and they outlive a killed parent. Running folds cannot be
ended one by one.
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
from common.process.log import configure_logging
from common.process.terminal.progress import progress
from common.vision.network import compute_exactly
from common.vision.runtimes.devices import count_cards, take_device
from trainer.claims import ClaimedError
from trainer.experiment import FoldResult
from trainer.learning.training_state import Epoch
from trainer.running.fold import Assignment, run_fold

log = structlog.get_logger()


class Work(Protocol):
    def __call__(self, *, on_epoch: Callable[[Epoch], None]) -> FoldResult: ...


@dataclass(frozen=True)
class _Failure:
    """The message and the kind of an error. The error itself may not be picklable."""

    message: str
    kind: type[EnrichmentError] = EnrichmentError

    @classmethod
    def of(cls, error: EnrichmentError) -> Self:
        kinds = (ClaimedError, UsageError, EnrichmentError)
        return cls(str(error), next(kind for kind in kinds if isinstance(error, kind)))


class FoldProcess:
    """A process that trains one fold; `work` must be picklable, `threads` are CPU threads."""

    def __init__(self, fold: int, work: Work, *, threads: int) -> None:
        self.fold = fold
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["trainer.running.fold"])
        self.pipe, theirs = context.Pipe(duplex=False)
        with theirs, _no_interrupt():
            self._process = context.Process(target=_live, args=(work, threads, theirs), daemon=True)
            self._process.start()

    def receive(self) -> Epoch | FoldResult:
        """Wait for the next message: an epoch, or at the end the result.

        Raises:
            ClaimedError, UsageError: as raised in the process.
            EnrichmentError: the fold failed, or its process was killed.
        """
        try:
            message = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise EnrichmentError(
                f"The process of fold {self.fold + 1} was killed, perhaps because there was "
                "not enough memory. Run the same command again. The training continues where "
                "it stopped."
            ) from error
        if isinstance(message, _Failure):
            raise message.kind(message.message)
        return cast("Epoch | FoldResult", message)

    def result(self) -> FoldResult:
        """Wait for the result.

        Raises:
            EnrichmentError: as `receive`.
        """
        while isinstance(message := self.receive(), Epoch):
            pass
        return message

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Wait for the end of the process; call this after its result or a kill."""
        self.pipe.close()
        self._process.join()
        self._process.close()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Processes started in this block ignore Ctrl-C; their parent ends them."""
    resource_tracker.ensure_running()  # if it started later, it would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live(work: Work, threads: int, pipe: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    configure_logging()
    torch.set_num_threads(threads)
    compute_exactly()
    with suppress(BrokenPipeError):  # the parent has closed its end
        pipe.send(_outcome(work, pipe.send))


def _outcome(work: Work, on_epoch: Callable[[Epoch], None]) -> FoldResult | _Failure:
    try:
        return work(on_epoch=on_epoch)
    except EnrichmentError as error:
        return _Failure.of(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # the process ends here; its parent reports it
        log.exception("the process of a fold failed")
        return _Failure(f"The process of a fold failed: {type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def parse_devices(text: str) -> list[torch.device]:
    """The devices in a list such as `cuda:0,cuda:1`; this opens none of them.

    A device that is listed twice gets two folds at a time.

    Raises:
        UsageError, DeviceError: as `take_device`.
    """
    cards = count_cards()
    return [take_device(name.strip(), cards=cards) for name in text.split(",")]


def threads_each(devices: Sequence[torch.device]) -> int:
    return max(1, torch.get_num_threads() // len(devices))


def run_side_by_side(
    numbers: Sequence[int], assignment: Assignment, *, devices: Sequence[torch.device]
) -> Iterator[FoldResult]:
    """Train folds of an experiment, as many at a time as there are devices.

    Yields each result as soon as its fold is finished.

    Raises:
        EnrichmentError: a fold failed, or its process was killed; the others are ended.
    """
    with progress("Epochs", len(numbers) * assignment.settings.all_epochs) as report:

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
