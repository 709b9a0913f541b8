"""Downloads: pictures a second and CPU a picture, against img2dataset and the pilot's loop.

    python -m benchmarks.image_download [--pictures 8000] [--rounds 3]

The peers run in turn in each round, each from the start of its process, against one server with
100 ms latency and 3 % faults; medians count. img2dataset is installed into a virtual environment
of its own, neither it nor we resize or encode anything. The pilot's loop has a sample.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.parts.picture_server import (
    PictureServer,
    ServerOptions,
    expected_pictures,
    picture_server,
)
from benchmarks.parts.report import Bar, at_least, at_most, finish

IMG2DATASET = "img2dataset==1.47.0"
HOSTS = 32
SMALL_BYTES = 4_000  # of the pictures that memory is measured with
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One client over one list, start-up included."""

    seconds: float
    cpu_seconds: float
    obtained: frozenset[int]
    output: str

    @property
    def pictures_per_second(self) -> float:
        return len(self.obtained) / self.seconds

    @property
    def cpu_ms_per_picture(self) -> float:
        return 1000 * self.cpu_seconds / max(1, len(self.obtained))


class DownloadBench:
    """A folder with lists of URLs and what clients make of them."""

    def __init__(self, folder: Path, python_of_peer: Path | None) -> None:
        self.folder = folder
        self.python_of_peer = python_of_peer
        self._runs = 0

    def list_urls(self, server: PictureServer, count: int) -> Path:
        """The first URLs of a server in a file."""
        path = self.folder / f"{server.port}_{count}.txt"
        path.write_text("".join(f"{server.url(number)}\n" for number in range(count)))
        return path

    def ours(self, urls: Path, *, client: str = "fetch_all") -> Run:
        """`fetch_all`, or another of our clients."""
        target = self._new_folder()
        module = "benchmarks.parts.download_clients"
        run = self._measure([sys.executable, "-m", module, client, str(urls), str(target)])
        return self._finished(run, frozenset(int(path.stem) for path in target.iterdir()))

    def img2dataset(self, urls: Path) -> Run:
        """The peer with what is best for it: two processes, nothing decoded."""
        target = self._new_folder()
        options = {
            "url_list": urls, "input_format": "txt", "output_folder": target,
            "output_format": "files", "processes_count": os.cpu_count(), "thread_count": 64,
            "resize_mode": "no", "disable_all_reencoding": True, "number_sample_per_shard": 1000,
            "enable_wandb": False,
        }  # fmt: skip
        arguments = [f"--{name}={value}" for name, value in options.items()]
        run = self._measure([str(self.python_of_peer), "-m", "img2dataset.main", *arguments])
        described = (json.loads(path.read_text()) for path in target.glob("*/*.json"))
        urls_obtained = [one["url"] for one in described if one.get("status") == "success"]
        numbers = frozenset(int(url.rpartition("/")[2].partition(".")[0]) for url in urls_obtained)
        return self._finished(run, numbers)

    def _new_folder(self) -> Path:
        self._runs += 1
        target = self.folder / f"run_{self._runs}"
        target.mkdir()
        return target

    def _measure(self, command: Sequence[str]) -> Mapping[str, Any]:
        before, began = _cpu_of_children(), time.monotonic()
        environment = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
        ended = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )
        seconds, cpu_seconds = time.monotonic() - began, _cpu_of_children() - before
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{ended.stderr[-2000:]}")
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "output": ended.stdout}

    def _finished(self, run: Mapping[str, Any], obtained: frozenset[int]) -> Run:
        subprocess.run(["rm", "-rf", str(self.folder / f"run_{self._runs}")], check=True)
        return Run(obtained=obtained, **run)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pilot", type=int, default=60, help="pictures for the pilot's loop")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python, why_not = _install_peer(Path(folder) / "peer")
        bench = DownloadBench(Path(folder), python)
        figures, bars = _compare(bench, chosen)
        memory = _memory(bench, chosen.pictures * 5 // 8)
    if why_not:
        figures["img2dataset_absent"] = why_not
    finish(figures=figures | memory, bars=bars | {"memory_ratio": at_most(1.2)})


def _compare(
    bench: DownloadBench, chosen: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Bar]]:
    options = ServerOptions(hosts=HOSTS)
    ours, peers, pilots = [], [], []
    with picture_server(options) as server:
        urls = bench.list_urls(server, chosen.pictures)
        sample = bench.list_urls(server, chosen.pilot)
        for _ in range(chosen.rounds):
            ours.append(bench.ours(urls))
            if bench.python_of_peer:
                peers.append(bench.img2dataset(urls))
            pilots.append(bench.ours(sample, client="one_process_a_picture"))
    rate = median(run.pictures_per_second for run in ours)
    pilot_rate = median(run.pictures_per_second for run in pilots)
    figures: dict[str, Any] = {
        "pictures": chosen.pictures,
        "pictures_sound": expected_pictures(options, chosen.pictures)["ok"],
        "pictures_obtained": min(len(run.obtained) for run in ours),
        "pictures_per_second": rate,
        "cpu_ms_per_picture": median(run.cpu_ms_per_picture for run in ours),
        "pilot_pictures_per_second": pilot_rate,
        "times_pilot": rate / pilot_rate,
    }
    bars = {"times_pilot": at_least(40)}
    figures["pictures_missed"] = abs(figures["pictures_sound"] - figures["pictures_obtained"])
    bars["pictures_missed"] = at_most(0)
    if peers:
        figures |= _against_peer(ours, peers)
        bars |= {
            "times_img2dataset": at_least(1.3),
            "cpu_of_img2dataset": at_most(0.75),
            "pictures_of_one_alone": at_most(0),
        }
    return figures, bars


def _against_peer(ours: Sequence[Run], peers: Sequence[Run]) -> dict[str, Any]:
    rate = median(run.pictures_per_second for run in peers)
    cpu = median(run.cpu_ms_per_picture for run in peers)
    return {
        "img2dataset_pictures_per_second": rate,
        "img2dataset_cpu_ms_per_picture": cpu,
        "times_img2dataset": median(run.pictures_per_second for run in ours) / rate,
        "cpu_of_img2dataset": median(run.cpu_ms_per_picture for run in ours) / cpu,
        "pictures_of_one_alone": max(
            len(mine.obtained ^ theirs.obtained) for mine, theirs in zip(ours, peers, strict=True)
        ),
    }


def _memory(bench: DownloadBench, few: int) -> dict[str, Any]:
    """Peak memory for a number of URLs and for ten times as many."""
    with picture_server(ServerOptions(hosts=HOSTS, mean_bytes=SMALL_BYTES)) as server:
        peaks = [
            float(bench.ours(bench.list_urls(server, count)).output.split()[-1])
            for count in (few, 10 * few)
        ]
    return {
        "memory_urls": [few, 10 * few],
        "memory_mib": peaks,
        "memory_ratio": peaks[1] / peaks[0],
    }


def _install_peer(folder: Path) -> tuple[Path | None, str]:
    """The Python that has img2dataset, or why there is none."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    for command in (["-m", "pip", "install", "--quiet", IMG2DATASET], ["-c", "import img2dataset"]):
        ended = subprocess.run([python, *command], capture_output=True, text=True, check=False)
        if ended.returncode:
            return None, f"{' '.join(command)}: {ended.stderr.strip().splitlines()[-1]}"
    return python, ""


def _cpu_of_children() -> float:
    """CPU seconds of the processes that have ended and whose parents have noticed."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
