"""Annotations of Label Studio (its export in JSON) as verdicts.

The tasks must come from `worker export --format label-studio`. A suggested concept that the
annotator chose is right, and one that was not chosen is wrong. A concept that was chosen and not
suggested is right too. https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
"""

from collections.abc import Iterator, Mapping

import msgspec

from common.store.tables import VerdictKind
from desk.review.exchange.foreign_verdict import ForeignVerdict, ItemFate, ItemFinding, verdict_id


class _Data(msgspec.Struct):
    record_id: str
    suggested: dict[str, str]


class _Value(msgspec.Struct):
    choices: list[str] = []


class _Result(msgspec.Struct):
    value: _Value = msgspec.field(default_factory=_Value)


class _Annotator(msgspec.Struct):
    id: int | None = None
    email: str = ""


class _LabelAnnotation(msgspec.Struct):
    result: list[_Result]
    completed_by: int | _Annotator | None = None
    was_cancelled: bool = False
    updated_at: str = ""


class _Task(msgspec.Struct):
    data: _Data
    annotations: list[_LabelAnnotation]


def of_task(item: int, content: bytes | msgspec.Raw) -> Iterator[ForeignVerdict | ItemFinding]:
    """What the annotators of a task say, the latest last.

    Raises:
        msgspec.DecodeError: it is not such a task.
    """
    task = msgspec.json.decode(content, type=_Task)
    if not task.annotations:
        yield ItemFinding(item=item, fate=ItemFate.NOT_JUDGED, record=task.data.record_id)
    for annotation in sorted(task.annotations, key=lambda each: each.updated_at):
        reviewer = _reviewer(annotation.completed_by)
        if annotation.was_cancelled:
            yield ItemFinding(
                item=item,
                fate=ItemFate.CANCELLED,
                reviewer=reviewer,
                record=task.data.record_id,
            )
            continue
        for concept, said in _said(task.data.suggested, annotation).items():
            what = (reviewer, task.data.record_id, concept, said, annotation.updated_at)
            yield ForeignVerdict(
                item=item,
                id=verdict_id("Label Studio", *what),
                reviewer=reviewer,
                record=task.data.record_id,
                concept=concept,
                said=said,
                model=task.data.suggested.get(concept),
            )


def _said(suggested: Mapping[str, str], annotation: _LabelAnnotation) -> dict[str, VerdictKind]:
    chosen = [concept for result in annotation.result for concept in result.value.choices]
    return dict.fromkeys(suggested, VerdictKind.WRONG) | dict.fromkeys(chosen, VerdictKind.RIGHT)


def _reviewer(annotator: int | _Annotator | None) -> str:
    number = annotator.id if isinstance(annotator, _Annotator) else annotator
    email = annotator.email if isinstance(annotator, _Annotator) else ""
    return f"{email or (f'user {number}' if number is not None else 'unknown')} (Label Studio)"
