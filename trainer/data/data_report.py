"""What was found in the training data: in numbers on the console, twins in full as a file."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from rich.console import Console

from common.files import write_atomically
from trainer.data.dataset import Example, TrainingData
from trainer.folds.split import Indices

SHOWN = 3  # examples of each finding on the console

COPY = "the same picture under several keys, kept together"
NEAR_DUPLICATE = "near-duplicates, kept together"
DOUBTFUL = "near-duplicates in different categories: look at their labels"


@dataclass(frozen=True, kw_only=True)
class Twin:
    """An example whose picture is like that of another, and what that means for the two."""

    example: str
    finding: str
    like: str


def list_twins(data: TrainingData, groups: Indices) -> tuple[Twin, ...]:
    """Every example that shares its group (n,) with others, those of one finding together."""
    members: dict[int, list[Example]] = defaultdict(list)
    for group, example in zip(groups.tolist(), data.examples, strict=True):
        members[group].append(example)
    several = (group for group in members.values() if len(group) > 1)
    twins = [twin for group in several for twin in _twins(data, group)]
    order = (DOUBTFUL, NEAR_DUPLICATE, COPY)
    return tuple(sorted(twins, key=lambda twin: order.index(twin.finding)))


def show_findings(data: TrainingData, twins: Sequence[Twin], console: Console) -> None:
    """A line for each finding: how many examples, and the first of them."""
    found = {f"left out, {part.reason}": list(part.keys) for part in data.left_out}
    for twin in twins:
        found.setdefault(twin.finding, []).append(twin.example)
    for finding, examples in found.items():
        more = ", ..." if len(examples) > SHOWN else ""
        console.print(
            f"  {len(examples):,} x {finding}: {', '.join(examples[:SHOWN])}{more}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def write_twins(twins: Sequence[Twin], path: Path) -> None:
    """Write every twin as a row of CSV.

    Raises:
        EnrichmentError: the disk is full or refuses.
    """
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(field.name for field in fields(Twin))
    rows.writerows(map(astuple, twins))
    write_atomically(path, buffer.getvalue())


def _twins(data: TrainingData, group: list[Example]) -> Iterator[Twin]:
    if len({example.labels for example in group}) > 1:
        finding = DOUBTFUL
    elif len({example.sha256 for example in group}) > 1:
        finding = NEAR_DUPLICATE
    else:
        finding = COPY
    first, second, *_ = group
    for example in group:
        like = second if example is first else first
        yield Twin(example=example.key, finding=finding, like=f"{like.key} ({data.named(like)})")
