"""Lists of record IDs as people have them: texts with one ID a line, and lines that hold none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from common.errors import UsageError
from common.europeana.record_list import STANDARD_INPUT, open_list, read_list

SHOWN = 10  # bad lines that a message names


@dataclass
class RejectedLines:
    """The lines that hold no record ID: how many, and the first few with their numbers."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, place: str, why: str) -> None:
        """Count a line; keep the message if it is among the first."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(f"{place}: {why}")

    def __str__(self) -> str:
        more = [f"... and {self.count - SHOWN:,} more"] if self.count > SHOWN else []
        return "\n  ".join([*self.first, *more])


def read_files(sources: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """The record IDs in files, one after the other; `-` is standard input.

    Raises:
        UsageError: a file cannot be read.
    """
    for source in sources:
        name = "standard input" if source == STANDARD_INPUT else source
        with open_list(source) as lines:
            yield from read_record_ids(lines, rejected, name=name)


def read_record_ids(lines: Iterable[str], rejected: RejectedLines, *, name: str) -> Iterator[str]:
    """The record IDs in a text, one a line, in any accepted form; empty lines do not count."""
    for line in read_list(lines):
        if line.record_id is not None:
            yield line.record_id
        elif line.problem:
            rejected.add(f"{name}, line {line.number}", line.problem)


def refuse_rejected(record_ids: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """Pass record IDs on; at the end refuse the whole list if a line was rejected.

    Raises:
        UsageError: names the first bad lines.
    """
    yield from record_ids
    if rejected.count:
        raise UsageError(
            f"{rejected.count:,} lines hold no record ID; nothing was enqueued. Mend them, or "
            f"leave them out with --skip-invalid.\n  {rejected}"
        )
