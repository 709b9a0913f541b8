"""The device of a process, by the cards that there are and the processes that hold them."""

import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.errors import DeviceError, UsageError
from common.vision.runtimes import devices
from common.vision.runtimes.devices import take_device


def hold(named: str, pipe: Connection) -> None:
    """Take one of two cards, and keep it until this process is killed."""
    pipe.send(str(take_device(named, cards=2)))
    pipe.recv()


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The processes of one test count each other alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(devices._held)
    yield
    for place in devices._held[before:]:
        place.release()
    del devices._held[before:]


@pytest.mark.parametrize(
    ("named", "cards", "expected"),
    [
        ("auto", 0, "cpu"),
        ("cpu", 2, "cpu"),
        ("auto", 1, "cuda:0"),
        ("cuda", 2, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_name_means_a_device_of_those_that_are_there(
    named: str, cards: int, expected: str
) -> None:
    assert str(take_device(named, cards=cards)) == expected


@pytest.mark.parametrize(("named", "cards"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_card_that_is_not_there_is_an_error_that_says_what_to_do(named: str, cards: int) -> None:
    with pytest.raises(DeviceError, match=f"'{named}': .* finds {cards} cards.*nvidia-smi"):
        take_device(named, cards=cards)


@pytest.mark.parametrize("named", ["", "gpu", "cuda:", "cuda:-1", "cuda:0 ", "CUDA", "cuda:1\n"])
def test_another_name_is_a_usage_error(named: str) -> None:
    with pytest.raises(UsageError, match="it must be auto, cpu, cuda, or a card"):
        take_device(named, cards=2)


def test_each_process_takes_the_card_with_the_fewest_of_ours_until_it_ends() -> None:
    with ExitStack() as exits:

        def held(named: str) -> tuple[str, BaseProcess]:
            forking = multiprocessing.get_context("fork")  # torch is loaded
            ours, theirs = forking.Pipe()
            process = forking.Process(target=hold, args=(named, theirs))
            process.start()
            exits.callback(process.join)
            exits.callback(process.kill)
            return ours.recv(), process

        first, second = held("cuda:1"), held("auto")
        assert (first[0], second[0]) == ("cuda:1", "cuda:0")
        with ThreadPoolExecutor() as both:  # at once
            assert Counter(named for named, _ in both.map(held, ["auto", "cuda"])) == {
                "cuda:0": 1,
                "cuda:1": 1,
            }
        second[1].kill()
        second[1].join()
        assert held("auto")[0] == "cuda:0"


def test_a_full_card_is_taken_all_the_same() -> None:
    taken = [str(take_device("cuda:0", cards=1)) for _ in range(devices.PLACES + 1)]
    assert set(taken) == {"cuda:0"}


def test_where_nothing_can_be_written_the_first_card_is_taken_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with capture_logs() as logs:
        assert str(take_device("auto", cards=2)) == "cuda:0"
    assert [entry["event"] for entry in logs] == ["processes on each card are not counted"]
