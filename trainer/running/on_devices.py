"""Folds side by side: one process a device, each with one fold at a time.

A fold does not know of the others, so its numbers are those of a training in sequence; on a CPU
those of one with as many threads.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import cast

import torch

from common.errors import UsageError
from common.process.progress import progress
from trainer.folds.experiment import FoldResult
from trainer.learning.state import Epoch
from trainer.running.fold import Assignment, run_fold
from trainer.running.fold_process import FoldProcess


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
