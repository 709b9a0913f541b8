"""The device of a process: the rule of `WORKER_DEVICE`, `TRAINER_DEVICE` and `--devices`.

`auto` is the card with the fewest processes of ours, or the CPU where there is no card; `cuda` is
the same, but never the CPU; `cuda:N` is that card. A process holds a lock file of its card, which
ends with it however that ends. The files are in the folder for temporary files, so that processes
of one user and one container count each other.
"""

import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import structlog
import torch
from filelock import FileLock, Timeout

from common.errors import DeviceError, UsageError
from common.process.settings.services import device_name
from common.vision.network import compute_exactly

PLACES = 16  # of a card; what does not find one is not counted
_held: list[FileLock] = []  # until this process ends
log = structlog.get_logger()


def pick_device(named: str = "auto") -> torch.device:
    """The device of this process, which takes its place on it once.

    Raises:
        UsageError, DeviceError: as `take_device`.
    """
    return _picked(named)


@cache
def _picked(named: str) -> torch.device:
    return take_device(named, cards=count_cards())


def count_cards() -> int:
    """The cards that work here; asking opens none."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def take_device(named: str, *, cards: int) -> torch.device:
    """The device of this name where there are so many cards, and a place on it.

    Raises:
        UsageError: the name is none.
        DeviceError: there is no such card.
    """
    try:
        device_name(named)
    except ValueError as error:
        raise UsageError(f"There is no device '{named}': {error}.") from error
    compute_exactly()
    if named == "cpu" or (named == "auto" and not cards):
        return torch.device("cpu")
    asked = [int(named[5:])] if ":" in named else list(range(cards))
    if not set(asked) & set(range(cards)):
        raise DeviceError(
            f"This machine has no device '{named}': PyTorch {torch.__version__} finds {cards} "
            "cards. Run nvidia-smi: it must show the card, and a driver that is new enough for "
            "this PyTorch. Or choose auto or cpu."
        )
    return torch.device("cuda", _quietest(asked))


def _quietest(cards: Sequence[int]) -> int:
    """The card with the fewest processes; this one holds a place on it from now on."""
    try:
        folder = Path(tempfile.gettempdir()) / f"enrichment-cards-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        with _lock(folder / "choosing"):
            free = {card: _free_places(folder, card) for card in cards}
            chosen = max(free, key=lambda card: len(free[card]))
            _held.extend(free[chosen][:1])
            for place in (place for places in free.values() for place in places):
                if place not in _held:
                    place.release()
            return chosen
    except OSError as error:
        log.warning("processes on each card are not counted", reason=str(error))
        return cards[0]


def _free_places(folder: Path, card: int) -> list[FileLock]:
    """The places of a card that were free, and this process holds now."""
    free = []
    for place in (_lock(folder / f"{card}-{number}") for number in range(PLACES)):
        try:
            place.acquire(blocking=False)
        except Timeout:
            continue
        free.append(place)
    return free


def _lock(path: Path) -> FileLock:
    return FileLock(path, fallback_to_soft=False, preserve_lock_file=True)
