"""Concepts and their labels, which datasets, models and exports share."""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from common.errors import UsageError
from common.store.bulk import upsert
from common.store.tables import Concept

MOST_NAMED = 5  # labels in a message


def keep_concepts(
    connection: Connection, labels: Mapping[str, str], *, rename: bool = False
) -> None:
    """Store concepts.

    Args:
        labels: the label of each concept URI.
        rename: give concepts that the store calls otherwise these labels.

    Raises:
        UsageError: the store has other labels for some, and `rename` is not set.
    """
    known = select(Concept.uri, Concept.label).where(Concept.uri.in_(labels))
    upsert(
        connection,
        Concept.__table__,
        ("uri", "label"),
        labels.items(),
        update=("label",) if rename else (),
    )
    others = {uri: label for uri, label in connection.execute(known).all() if label != labels[uri]}
    if others:
        raise UsageError(_refusal(others, labels))


def _refusal(known: Mapping[str, str], given: Mapping[str, str]) -> str:
    named = [
        f"{uri} is {label!r} in the store and {given[uri]!r} here"
        for uri, label in sorted(known.items())[:MOST_NAMED]
    ]
    more = f"; and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return (
        f"Some concepts have other labels in the store: {'; '.join(named)}{more}. "
        "Nothing was changed. Use the labels of the store. Or rename the concepts in all datasets, "
        "models and exports: repeat the command with --rename-labels."
    )
