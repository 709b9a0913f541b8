"""Parts of a job, for readers who take one after another: chunks in the order of their numbers."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, text

CHUNKS_AT_ONCE = 4  # 1,024 records of a bulk job

_NEXT = """
    SELECT number FROM job_chunk WHERE job_id = :job_id AND number > :after AND {which}
    ORDER BY number LIMIT :most
"""
_NEXT_OF = {
    "done": text(_NEXT.format(which="state = 'done'")),
    "failed": text(_NEXT.format(which="failed > 0")),
}


@dataclass(frozen=True, kw_only=True)
class ChunkNumbers:
    """The chunks with these numbers, both included; `has_more`: chunks like these come after."""

    first: int
    last: int
    has_more: bool = False

    def parameters(self) -> dict[str, int]:
        return {"first_chunk": self.first, "last_chunk": self.last}


ALL_CHUNKS = ChunkNumbers(first=0, last=2**31 - 1)


def next_chunks(
    connection: Connection, job_id: UUID, which: Literal["done", "failed"], *, after: int
) -> ChunkNumbers | None:
    """The next CHUNKS_AT_ONCE chunks that are done, or that have failed records; None at the end.

    A record that the job names by an old and a present ID may be in two chunks.
    """
    asked = {"job_id": job_id, "after": after, "most": CHUNKS_AT_ONCE + 1}
    numbers = connection.execute(_NEXT_OF[which], asked).scalars().all()
    if not numbers:
        return None
    return ChunkNumbers(
        first=numbers[0],
        last=numbers[:CHUNKS_AT_ONCE][-1],
        has_more=len(numbers) > CHUNKS_AT_ONCE,
    )
