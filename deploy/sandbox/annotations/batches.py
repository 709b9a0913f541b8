"""Batches of annotations: `POST /annotations/` with an AnnotationPage.

As at Europeana's server: one invalid item refuses the whole page, an item with an `id` replaces an
annotation that must exist, new items are neither compared with those that are there nor indexed.
"""

from collections.abc import Sequence

from deploy.sandbox.annotations.forms import AnnotationForm, Json, invalid, read_form
from deploy.sandbox.annotations.store import BASE, AnnotationStore
from deploy.sandbox.api.refusals import RequestRefusedError


def read_batch(page: Json) -> list[AnnotationForm]:
    """The annotations of a page, in its order.

    Raises:
        RequestRefusedError: 400, it is no page, or an item of it is invalid.
    """
    items = page.get("items")
    if page.get("type") != "AnnotationPage" or not isinstance(items, list):
        raise invalid("A batch is an AnnotationPage with items")
    forms: list[AnnotationForm] = []
    errors: dict[str, str] = {}
    failures = 0
    for item in items:
        try:
            forms.append(read_form(item))
        except RequestRefusedError as refusal:
            failures += 1
            # New items all have the number 0 at this step, so that the last message is left.
            errors[str(item.get("id", 0)) if isinstance(item, dict) else "0"] = refusal.error
    if failures:
        raise _refused(400, "VALIDATION", len(items), errors, successes=len(items) - failures)
    return forms


def numbers_to_replace(forms: Sequence[AnnotationForm], store: AnnotationStore) -> list[int | None]:
    """The number of the annotation that each item replaces, or None for a new one.

    Raises:
        RequestRefusedError: 404, one of them does not exist.
    """
    numbers = [None if form.id is None else number_in(form.id) for form in forms]
    errors = {
        str(form.id): "No annotation has this identifier."
        for form, number in zip(forms, numbers, strict=True)
        if number is not None and store.get(number) is None
    }
    if errors:
        step = "CHECK_UPDATE_ANNOTATIONS_AVAILABLE"
        with_id = sum(number is not None for number in numbers)
        raise _refused(404, step, len(forms), errors, successes=0, with_id=with_id)
    return numbers


def number_in(identifier: str) -> int:
    """The number in an annotation's URI, or 0, which no annotation has."""
    number = identifier.removeprefix(BASE)
    return int(number) if number.isdecimal() else 0


def _refused(
    status: int,
    step: str,
    total: int,
    errors: dict[str, str],
    *,
    successes: int,
    with_id: int = 0,
) -> RequestRefusedError:
    report = {
        "successCount": successes,
        "failureCount": total - successes if status == 400 else len(errors),
        "errors": errors,
        "step": step,
        "totalNumberOfAnnotations": total,
        "numberOfAnnotationsWithId": with_id,
        "numberOfAnnotationsWithoutId": 0,
    }
    return RequestRefusedError(status, "Batch upload failed!", report=report)
