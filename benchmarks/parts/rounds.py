"""The values of a benchmark's rounds, and the confidence interval of their median."""

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import takewhile
from math import comb
from statistics import median

CONFIDENCE = 0.95


@dataclass
class Rounds:
    """The values of the rounds, by the name of the figure."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _with_interval: set[str] = field(default_factory=set)

    def add(self, name: str, value: float) -> float:
        """Save a value of this round, and print it on standard error."""
        self.values[name].append(value)
        sys.stderr.write(f"  {name} {value:.3g}\n")
        return value

    def ratio(self, name: str, above: str, below: str) -> None:
        """Save the ratio of the last values of two figures; `figures` gives its interval."""
        self.add(name, self.values[above][-1] / self.values[below][-1])
        self._with_interval.add(name)

    def figures(self) -> dict[str, float]:
        """The medians; for each `ratio` also its interval, as `_low` and `_high`."""
        figures = {name: float(f"{median(each):.3g}") for name, each in self.values.items()}
        for name in self._with_interval:
            low, high = interval_of_median(self.values[name])
            figures |= {f"{name}_low": low, f"{name}_high": high}
        return figures


def interval_of_median(values: list[float]) -> tuple[float, float]:
    """The two values between which the median of the population lies, at CONFIDENCE.

    The number of values below the median is binomial. With fewer than six values no two of them are
    far enough apart, so the interval is from the least to the largest.
    """
    ordered, count = sorted(values), len(values)
    chances = (sum(comb(count, k) for k in range(n + 1)) / 2**count for n in range(count))
    outside = sum(1 for _ in takewhile(lambda chance: 2 * chance <= 1 - CONFIDENCE, chances))
    place = max(0, outside - 1)
    return round(ordered[place], 4), round(ordered[-1 - place], 4)
