"""Datasets by name."""

from sqlalchemy import Connection, select

from common.errors import UsageError
from common.store.tables import Dataset

_NAMES_SHOWN = 10


def find_dataset(connection: Connection, name: str) -> int:
    """The number of a dataset.

    Raises:
        UsageError: there is none of that name; names those that are there.
    """
    number = connection.scalar(select(Dataset.id).where(Dataset.name == name))
    if number is None:
        raise UsageError(f"There is no dataset {name!r}; {_existing(connection)}.")
    return number


def _existing(connection: Connection) -> str:
    names = connection.scalars(select(Dataset.name).order_by(Dataset.name)).all()
    if not names:
        return "there is none at all yet, make one with: harvester records"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"there are: {', '.join(names[:_NAMES_SHOWN])}{more}"
