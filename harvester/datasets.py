"""Datasets by name."""

import re

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from common.errors import UsageError
from common.store.tables import Dataset, DatasetItem

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NAMES_SHOWN = 10


def ensure_dataset(connection: Connection, name: str) -> int:
    """The number of a dataset, which is made if there is none of that name.

    Raises:
        UsageError: the name has characters that a dataset's name cannot have.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a dataset; use letters, digits, dots, dashes and underscores."
        )
    connection.execute(insert(Dataset).values(name=name).on_conflict_do_nothing())
    return connection.execute(select(Dataset.id).where(Dataset.name == name)).scalar_one()


def find_dataset(connection: Connection, name: str) -> int:
    """The number of a dataset.

    Raises:
        UsageError: there is none of that name; names those that are there.
    """
    number = connection.scalar(select(Dataset.id).where(Dataset.name == name))
    if number is None:
        raise UsageError(f"There is no dataset {name!r}; {_existing(connection)}.")
    return number


def count_records(connection: Connection, dataset: int) -> int:
    """How many records a dataset has."""
    records = func.count(DatasetItem.record_id.distinct())
    return connection.execute(select(records).where(DatasetItem.dataset_id == dataset)).scalar_one()


def _existing(connection: Connection) -> str:
    names = connection.scalars(select(Dataset.name).order_by(Dataset.name)).all()
    if not names:
        return "there is none at all yet, make one with: harvester records"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"there are: {', '.join(names[:_NAMES_SHOWN])}{more}"
