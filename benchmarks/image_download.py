"""Downloads: pictures per second, CPU per picture and memory, against the pilot's loop.

    python -m benchmarks.image_download [--pictures 8000] [--rounds 3]

In each round the clients run one after the other, with the start of their process, against one
server with 100 ms latency and 3 % faults. Medians count. The pilot's loop gets a sample. Memory is
the peak for a number of small pictures and for ten times as many.
"""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.parts.picture_server import PictureServer, ServerOptions, picture_server
from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import REPOSITORY

HOSTS = 32
SMALL_BYTES = 4_000  # of the pictures for the measurement of memory
SAMPLE = 60  # pictures for the pilot's loop


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a client over one list, with its start."""

    seconds: float
    cpu_seconds: float
    obtained: int
    peak_mib: float

    @property
    def pictures_per_second(self) -> float:
        return self.obtained / self.seconds


def run(client: str, server: PictureServer, count: int) -> Run:
    """Let a client fetch the first pictures of a server."""
    with tempfile.TemporaryDirectory() as name:
        urls, target = Path(name) / "urls.txt", Path(name) / "pictures"
        urls.write_text("".join(f"{server.url(number)}\n" for number in range(count)))
        target.mkdir()
        module = ("-m", "benchmarks.parts.download_clients")
        before, began = _cpu_of_children(), time.monotonic()
        said = subprocess.check_output(
            [sys.executable, *module, client, str(urls), str(target)], cwd=REPOSITORY, text=True
        )
        return Run(
            seconds=time.monotonic() - began,
            cpu_seconds=_cpu_of_children() - before,
            obtained=len(list(target.iterdir())),
            peak_mib=float(said.split()[-1]),
        )


def _cpu_of_children() -> float:
    """CPU seconds of ended child processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def speed(pictures: int, rounds: int) -> dict[str, Any]:
    """Rates of ours and of the pilot's loop."""
    options = ServerOptions(hosts=HOSTS)
    with picture_server(options) as server:
        runs = [
            (run("fetch_all", server, pictures), run("one_process_a_picture", server, SAMPLE))
            for _ in range(rounds)
        ]
    ours, pilots = zip(*runs, strict=True)
    rate = median(each.pictures_per_second for each in ours)
    pilot_rate = median(each.pictures_per_second for each in pilots)
    sound = sum(options.fault(number) is None for number in range(pictures))
    return {
        "pictures": pictures,
        "pictures_missed": max(abs(sound - each.obtained) for each in ours),
        "pictures_per_second": round(rate, 1),
        "cpu_ms_per_picture": round(median(1000 * each.cpu_seconds / sound for each in ours), 3),
        "pilot_pictures_per_second": round(pilot_rate, 2),
        "times_pilot": round(rate / pilot_rate, 1),
    }


def memory(few: int) -> dict[str, Any]:
    """Peak memory for a number of URLs and for ten times as many."""
    with picture_server(ServerOptions(hosts=HOSTS, mean_bytes=SMALL_BYTES)) as server:
        peaks = [run("fetch_all", server, count).peak_mib for count in (few, 10 * few)]
    return {"memory_mib": peaks, "memory_ratio": round(peaks[1] / peaks[0], 3)}


def main(
    pictures: Annotated[int, typer.Option(min=100)] = 8000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    finish(
        figures=speed(pictures, rounds) | memory(pictures * 5 // 8),
        bars={
            "pictures_missed": at_most(0),
            "times_pilot": at_least(40),
            "memory_ratio": at_most(1.2),
        },
    )


if __name__ == "__main__":
    typer.run(main)
