"""Lists of record IDs as people have them: a text with one ID a line, or a dataset."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from common.errors import UsageError
from common.europeana.record_list import read_list
from common.store.datasets import find_dataset

SHOWN = 10  # bad lines that a message names


@dataclass
class RejectedLines:
    """The lines that hold no record ID: how many, and the first few with their numbers."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, number: int, why: str) -> None:
        """Count a line; keep the message if it is among the first."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(f"line {number}: {why}")

    def __str__(self) -> str:
        more = [f"... and {self.count - SHOWN} more"] if self.count > SHOWN else []
        return "\n  ".join([*self.first, *more])


def read_record_ids(lines: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """The record IDs in a text, one a line, in any accepted form; empty lines do not count."""
    for line in read_list(lines):
        if line.record_id is not None:
            yield line.record_id
        elif line.problem:
            rejected.add(line.number, line.problem)


def refuse_rejected(record_ids: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """Pass record IDs on; at the end refuse the whole list if a line was rejected.

    Raises:
        UsageError: names the first bad lines.
    """
    yield from record_ids
    if rejected.count:
        raise UsageError(
            f"{rejected.count} lines hold no record ID; nothing was enqueued. Mend them, or leave "
            f"them out with --skip-invalid.\n  {rejected}"
        )


def dataset_record_ids(engine: Engine, name: str) -> Iterator[str]:
    """The records of a dataset, streamed.

    Raises:
        UsageError: there is no such dataset; names those that exist.
    """
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        rows = connection.execution_options(yield_per=10_000).execute(
            text("SELECT DISTINCT record_id FROM dataset_item WHERE dataset_id = :dataset_id"),
            {"dataset_id": dataset},
        )
        yield from rows.scalars()
