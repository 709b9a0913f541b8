"""Folds side by side: one process a device, each with one fold at a time.

A fold does not know of the others, so its numbers are those of a training in sequence; on a CPU
those of one with as many threads. Processes end with the one that started them, however it ends.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess, parent_process
from typing import cast

import torch
from rich.console import Console

from common.errors import EnrichmentError, UsageError
from trainer.config import TrainingConfig
from trainer.dataset import TrainingData
from trainer.experiment import Experiment, FoldResult
from trainer.fold_run import cache_folder, run_fold
from trainer.preparation import prepare
from trainer.state import Epoch


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What the folds of one cross-validation have in common; `data` as it was before `prepare`."""

    data: TrainingData
    config: TrainingConfig
    experiment: Experiment
    threads: int  # of a process, on a CPU


@dataclass(frozen=True)
class _Running:
    process: BaseProcess
    device: torch.device
    fold: int


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


def run_side_by_side(
    numbers: Sequence[int],
    assignment: Assignment,
    devices: Sequence[torch.device],
    on_epoch: Callable[[int, Epoch], None],
) -> Iterator[FoldResult]:
    """Train folds, as many at a time as there are devices; their results as they come.

    Raises:
        EnrichmentError: a fold failed, or its process was killed; the others are ended.
    """
    waiting, free = deque(numbers), list(devices)
    running: dict[Connection, _Running] = {}
    try:
        while waiting or running:
            while waiting and free:
                pipe, started = _start(waiting.popleft(), assignment, free.pop(0))
                running[pipe] = started
            for pipe in cast("list[Connection]", wait(list(running))):
                message = _receive(pipe, running[pipe].fold)
                if isinstance(message, Epoch):
                    on_epoch(running[pipe].fold, message)
                    continue
                ended = running.pop(pipe)
                _end(pipe, ended)
                free.append(ended.device)
                yield message
    finally:
        for pipe, left in running.items():
            left.process.kill()
            _end(pipe, left)


def _start(
    number: int, assignment: Assignment, device: torch.device
) -> tuple[Connection, _Running]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(number, assignment, device, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, _Running(process, device, number)


def _receive(pipe: Connection, fold: int) -> Epoch | FoldResult:
    try:
        message = pipe.recv()
    except EOFError:
        raise EnrichmentError(
            f"The process of fold {fold + 1} was killed, perhaps for its memory; "
            "the same command goes on where it was."
        ) from None
    if isinstance(message, EnrichmentError):
        raise message
    return cast("Epoch | FoldResult", message)


def _end(pipe: Connection, ended: _Running) -> None:
    pipe.close()
    ended.process.join()
    ended.process.close()


def _train(number: int, assignment: Assignment, device: torch.device, pipe: Connection) -> None:
    """The life of a process: epochs as they pass, then the result or the error, into the pipe."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started us ends us
    torch.set_num_threads(assignment.threads)
    config, experiment = assignment.config, assignment.experiment
    try:
        prepared = prepare(assignment.data, config, cache_folder(experiment), Console(quiet=True))
        result = run_fold(
            prepared.folds[number],
            prepared.cached,
            config,
            experiment,
            device=device,
            on_epoch=pipe.send,
        )
        pipe.send(result)
    except EnrichmentError as error:
        pipe.send(error)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
