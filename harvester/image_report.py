"""What became of the pictures of a dataset, in numbers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from harvester.datasets import find_dataset

_COUNTS = text("""
    SELECT coalesce(image.state, 'not yet tried') AS state,
           coalesce(image.reason, image.source, '') AS why,
           count(DISTINCT item.record_id) AS records,
           min(image.not_before) FILTER (WHERE image.state = 'deferred') AS again_from
    FROM dataset_item AS item LEFT JOIN image ON image.record_id = item.record_id
    WHERE item.dataset_id = :dataset
    GROUP BY 1, 2
    ORDER BY records DESC, 1, 2
""")


@dataclass(frozen=True, kw_only=True)
class ImageCount:
    """How many records have a picture from one source, or none for one reason (`why`)."""

    state: str
    why: str
    records: int
    again_from: datetime | None


def count_images(engine: Engine, name: str) -> list[ImageCount]:
    """The records of a dataset by what became of their pictures, the most frequent first.

    Raises:
        UsageError: there is no such dataset.
    """
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        rows = connection.execute(_COUNTS, {"dataset": dataset}).mappings()
        return [ImageCount(**row) for row in rows]
