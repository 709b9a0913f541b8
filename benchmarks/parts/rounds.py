"""What the rounds of a benchmark gave, and how sure the median of them is."""

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import takewhile
from math import comb
from statistics import median

CONFIDENCE = 0.95


@dataclass
class Rounds:
    """What the rounds gave, by the name of the figure."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _with_interval: set[str] = field(default_factory=set)

    def add(self, name: str, value: float) -> float:
        """Keep a value of this round, and say it on standard error."""
        self.values[name].append(value)
        sys.stderr.write(f"  {name} {value:.3g}\n")
        return value

    def ratio(self, name: str, above: str, below: str) -> None:
        """Keep the ratio of the last two values of others; the figures will say its interval."""
        self.add(name, self.values[above][-1] / self.values[below][-1])
        self._with_interval.add(name)

    def figures(self) -> dict[str, float]:
        """The medians, and as `_low` and `_high` the intervals of those that are a `ratio`."""
        figures = {name: float(f"{median(each):.3g}") for name, each in self.values.items()}
        for name in self._with_interval:
            low, high = interval_of_median(self.values[name])
            figures |= {f"{name}_low": low, f"{name}_high": high}
        return figures


def interval_of_median(values: list[float]) -> tuple[float, float]:
    """Between which two of the values the median of their population lies, at CONFIDENCE.

    The number of values below the median is binomial; with fewer than six values no two of them
    are far enough apart, and the interval is that from the least to the largest.
    """
    ordered, count = sorted(values), len(values)
    chances = (sum(comb(count, k) for k in range(n + 1)) / 2**count for n in range(count))
    outside = sum(1 for _ in takewhile(lambda chance: 2 * chance <= 1 - CONFIDENCE, chances))
    place = max(0, outside - 1)
    return round(ordered[place], 4), round(ordered[-1 - place], 4)
