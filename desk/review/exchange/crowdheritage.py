"""Annotations of a CrowdHeritage campaign (its export in JSON-LD) as verdicts.

An export counts votes and does not name voters. So each upvote is the verdict of an account "upvote
1", "upvote 2" and so on. An annotation that a person made is that person's verdict too.
https://github.com/ails-lab/CrowdHeritage_Documentation
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from common.store.tables import VerdictKind
from desk.review.exchange.foreign_verdict import ForeignVerdict, ItemFate, ItemFinding, verdict_id

MOST_VOTES = 100  # for or against an annotation
_Votes = Annotated[int, msgspec.Meta(ge=0, le=MOST_VOTES)]
_SOFTWARE = "Software"


class _Creator(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""


class _Named(msgspec.Struct):
    id: str = ""


class _Target(msgspec.Struct):
    source: str | _Named


class _Review(msgspec.Struct):
    upvotes: _Votes = 0
    downvotes: _Votes = 0
    recommendation: str = ""


class _CrowdAnnotation(msgspec.Struct):
    target: str | _Target
    body: str | _Named
    creator: _Creator = msgspec.field(default_factory=_Creator)
    review: _Review | None = None


def of_annotation(
    item: int, content: bytes | msgspec.Raw
) -> Iterator[ForeignVerdict | ItemFinding]:
    """What people say of a concept of a record.

    Raises:
        msgspec.DecodeError: it is not such an annotation.
    """
    annotation = msgspec.json.decode(content, type=_CrowdAnnotation)
    target = annotation.target if isinstance(annotation.target, str) else annotation.target.source
    record = target if isinstance(target, str) else target.id
    concept = annotation.body if isinstance(annotation.body, str) else annotation.body.id
    if not concept:
        detail = "the body is a text, not the URI of a concept"
        yield ItemFinding(item=item, fate=ItemFate.UNKNOWN_CONCEPT, detail=detail, record=record)
        return
    said = list(_voices(annotation))
    if not said:
        fate = ItemFate.NOT_JUDGED
        yield ItemFinding(item=item, fate=fate, record=record, concept=concept)
    for who, verdict in said:
        reviewer = f"{who} (CrowdHeritage)"
        yield ForeignVerdict(
            item=item,
            id=verdict_id("CrowdHeritage", reviewer, record, concept, verdict),
            reviewer=reviewer,
            record=record,
            concept=concept,
            said=verdict,
            model=annotation.creator.name if annotation.creator.type == _SOFTWARE else None,
        )


def _voices(annotation: _CrowdAnnotation) -> Iterator[tuple[str, VerdictKind]]:
    creator, review = annotation.creator, annotation.review or _Review()
    if creator.type != _SOFTWARE:
        yield creator.name or creator.id or "annotator", VerdictKind.RIGHT
    for number in range(1, review.upvotes + 1):
        yield f"upvote {number}", VerdictKind.RIGHT
    for number in range(1, review.downvotes + 1):
        yield f"downvote {number}", VerdictKind.WRONG
    if not review.upvotes + review.downvotes:
        if review.recommendation == "accept":
            yield "campaign", VerdictKind.RIGHT
        elif review.recommendation == "reject":
            yield "campaign", VerdictKind.WRONG
