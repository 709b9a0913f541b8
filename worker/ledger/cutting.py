"""How a list of records is cut into chunks: an urgent job begins with small ones."""

from common.store.tables import Priority

CHUNK_SIZE = 256  # records
SMALL_SIZE = 16  # records, so that the first results of an urgent job come early
SOON = 256  # records of an urgent job in chunks of that size

PLACE = """
    CASE WHEN nth < :soon THEN nth / :small_size
         ELSE :soon / :small_size + (nth - :soon) / :chunk_size END"""
"""In SQL: the chunk of the nth record, both counted from 0; the parameters are those of `cut`."""


def cut(priority: Priority) -> dict[str, int]:
    """How many records go into small chunks, and the sizes of small and of other chunks."""
    soon = SOON if priority is Priority.URGENT else 0
    return {"soon": soon, "small_size": SMALL_SIZE, "chunk_size": CHUNK_SIZE}


def count_chunks(records: int, priority: Priority) -> int:
    asked = cut(priority)
    small = min(records, asked["soon"])
    return -(-small // asked["small_size"]) + -(-(records - small) // asked["chunk_size"])
