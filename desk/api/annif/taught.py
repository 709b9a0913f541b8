"""Verdicts from documents that someone has indexed: each named concept is right."""

from collections.abc import Sequence
from uuid import uuid4

from common.errors import UsageError
from common.store.tables import VerdictKind
from desk.api.annif.annif_forms import IndexedDocument
from desk.api.annif.asked_pictures import asked_picture
from desk.review.verdicts import NewVerdict


def verdicts_of(documents: Sequence[IndexedDocument], model_id: int) -> list[NewVerdict]:
    """A verdict `right` for each concept of each document.

    Concepts that a document lacks get no verdict: who indexes a text does not list all that its
    picture shows.

    Raises:
        UsageError: a document names no record, or a malformed one.
    """
    verdicts = []
    for number, document in enumerate(documents, start=1):
        try:
            asked = asked_picture(document.fields)
        except UsageError as error:
            raise UsageError(f"Document {number}: {error} No verdict was saved.") from None
        if asked is None or asked.record_id is None:
            raise UsageError(
                f"Document {number} has no record ID, so no verdict was saved. Give the ID "
                "in `record`, in `metadata` as `europeana_id`, or as the text."
            )
        for subject in document.subjects:
            verdict = NewVerdict(
                id=uuid4(),
                record_id=asked.record_id,
                concept=subject.uri,
                said=VerdictKind.RIGHT,
                model_id=model_id,
            )
            verdicts.append(verdict)
    return verdicts
