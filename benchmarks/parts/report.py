"""The end of every benchmark: one JSON object on the last line of standard output, and exit code 1
if a bar is missed.

    finish(
        figures={"rows_per_second": 41_000, "times_add_all": 9.3, "memory_ratio": 1.1},
        bars={"times_add_all": at_least(8), "memory_ratio": at_most(1.2)},
    )
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

VECTORS = ("amx_tile", "avx512f", "avx2", "sse4_2")  # the widest first
_CPU_LINE = re.compile(r"^(model name|flags)\s*: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Bar:
    """The limits that a figure must keep."""

    lowest: float = float("-inf")
    highest: float = float("inf")

    def holds(self, figure: float) -> bool:
        return self.lowest <= figure <= self.highest

    def __str__(self) -> str:
        bounds = {">=": self.lowest, "<=": self.highest}
        return " and ".join(f"{sign} {each:g}" for sign, each in bounds.items() if isfinite(each))


def at_least(figure: float) -> Bar:
    """A bar for a figure that should be high."""
    return Bar(lowest=figure)


def at_most(figure: float) -> Bar:
    """A bar for a figure that should be low."""
    return Bar(highest=figure)


def between(lowest: float, highest: float) -> Bar:
    """A bar for a figure that should be neither too low nor too high."""
    return Bar(lowest=lowest, highest=highest)


def finish(*, figures: Mapping[str, Any], bars: Mapping[str, Bar]) -> NoReturn:
    """Print figures, bars and machine, and end the process: 0 if every bar holds, else 1.

    The keys of `bars` are names of figures.
    """
    missed = [name for name, bar in bars.items() if not bar.holds(figures[name])]
    result = {
        "benchmark": Path(sys.argv[0]).stem,
        "passed": not missed,
        "missed": missed,
        "figures": dict(figures),
        "bars": {name: str(bar) for name, bar in bars.items()},
        "machine": machine(),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.exit(1 if missed else 0)


def machine() -> dict[str, Any]:
    """The processor with its widest vectors, the cores for this process, and the memory."""
    told = dict(_CPU_LINE.findall(Path("/proc/cpuinfo").read_text(encoding="utf-8")))
    flags = told.get("flags", "").split()
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": told.get("model name", "unknown"),
        "vectors": next((each for each in VECTORS if each in flags), "unknown"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages * size / (1 << 30), 1),
    }
