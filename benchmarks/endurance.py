"""Two hundred thousand records through one worker: does its memory grow?

    python -m benchmarks.endurance [--records 200000]

A worker with its defaults, over HTTP, with tiny pictures and a tiny classifier. What it holds (its
resident memory) is looked at twice a second, and averaged over each tenth of the records: the last
tenth against the second, when everything has been loaded and every buffer used.
"""

import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.tiny_service import TinyService, record_ids, tiny_service
from common.process.terminal.progress import progress
from common.store.tables import PictureChoice
from worker import jobs

LOOKS_PER_SECOND = 2
LATENCY = 0.005  # seconds until a host answers
TENTHS = 10


def resident_mib(process_id: int) -> float:
    """What a process holds in memory, and its most recently started threads' stacks with it."""
    pages = Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def measure(service: TinyService, records: int) -> dict[str, float]:
    """One job over all records; the figures."""
    options = jobs.JobOptions(picture=PictureChoice.MEDIA)
    job_id = jobs.enqueue(service.engine, record_ids(records), options).job_id
    held: dict[int, list[float]] = defaultdict(list)
    with service.worker() as process_id, progress("settled", records) as report:
        status, settled, began = jobs.status(service.engine, job_id), 0, 0.0
        while status.state == "running":
            time.sleep(1 / LOOKS_PER_SECOND)
            status = jobs.status(service.engine, job_id)
            report.advance(status.settled - settled)
            settled = status.settled
            began = began or (time.monotonic() if settled else 0.0)
            held[min(TENTHS - 1, TENTHS * settled // records)].append(resident_mib(process_id))
        seconds = time.monotonic() - began
    return {
        "enriched": status.enriched,
        "seconds": round(seconds),
        "records_per_second": round(records / seconds, 1),
        **{f"mib_in_tenth_{tenth + 1}": round(mean(each), 1) for tenth, each in held.items()},
        "last_tenth_against_second": round(mean(held[TENTHS - 1]) / mean(held[1]), 3),
    }


def main(records: Annotated[int, typer.Option(min=10_000)] = 200_000) -> None:
    """Measure and report."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tiny_service(Path(folder), records=records, latency=LATENCY) as service,
    ):
        figures = measure(service, records)
    finish(
        figures={"records": records, **figures},
        bars={"enriched": at_least(records), "last_tenth_against_second": at_most(1.05)},
    )


if __name__ == "__main__":
    typer.run(main)
