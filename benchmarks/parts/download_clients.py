"""The clients that `image_download` measures, each in its own process.

    python -m benchmarks.parts.download_clients fetch_all|one_process_a_picture URLS FOLDER

URLS has one URL per line; a picture becomes FOLDER/<number of its line>.jpg. The last line of the
output is the process's peak memory in MiB.
"""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from PIL import Image

from common.errors import RecordError
from common.fetch.addresses import AddressPolicy
from common.fetch.client import Fetched, PictureFetcher
from common.fetch.download import fetch_all
from common.fetch.host_limits import HostLimits, LocalHostLimiter

LIMITS = HostLimits(max_concurrent=16, requests_per_second=1000.0)  # so high that none applies
MOST_WRITING = 16  # files at a time
PILOT_SECONDS = 7.0  # its limit for a picture


def fetch_to_files(urls: Path, folder: Path) -> None:
    """Ours: with all checks, files as they came, written by as many threads as usually decode."""
    policy = AddressPolicy.parse("127.0.0.0/8")
    writing: deque[Future[int]] = deque()
    with (
        ThreadPoolExecutor(os.cpu_count()) as writers,
        PictureFetcher(user_agent="benchmark", policy=policy) as fetcher,
    ):
        for outcome in fetch_all(_lines(urls), fetcher=fetcher, limiter=LocalHostLimiter(LIMITS)):
            if isinstance(outcome.result, Fetched):
                path = folder / f"{outcome.key}.jpg"
                writing.append(writers.submit(path.write_bytes, outcome.result.content))
            if len(writing) > MOST_WRITING:
                writing.popleft().result()
        for file in writing:
            file.result()


def one_process_a_picture(urls: Path, folder: Path) -> None:
    """The pilot's: a process for each picture, which is ended if it takes too long."""
    context = multiprocessing.get_context("fork")
    for number, url in _lines(urls):
        process = context.Process(target=_save, args=(url, folder / f"{number}.jpg"))
        process.start()
        process.join(PILOT_SECONDS)
        if process.is_alive():
            process.terminate()
            process.join()


def _save(url: str, path: Path) -> None:
    with suppress(OSError, RecordError), urlopen(url, timeout=PILOT_SECONDS) as answer:
        Image.open(answer).convert("RGB").save(path)


def _lines(urls: Path) -> Iterator[tuple[int, str]]:
    with urls.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            yield number, line.strip()


CLIENTS = {"fetch_all": fetch_to_files, "one_process_a_picture": one_process_a_picture}

if __name__ == "__main__":
    name, source, target = sys.argv[1:]
    CLIENTS[name](Path(source), Path(target))
    # The figure of `wait4` includes the parent's memory at the fork.
    kib = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    sys.stdout.write(f"{int(kib) / 1024:.1f}\n")
