"""Verdicts of reviewers on suggestions. A verdict that is sent twice is saved once.

If the connection or the server fails, the browser sends a verdict again with the same ID. If a
reviewer changes a verdict, the new one has a new ID and withdraws the former one. Verdicts of
different reviewers on a suggestion are all saved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.store.signals import AdvisoryLock
from common.store.tables import VerdictKind

MOST_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class NewVerdict:
    """A reviewer's verdict on a concept of a record. `instead` is the URI of another concept.

    `model_id` is the model that suggested the concept, or None. The browser makes the `id`.
    """

    id: UUID
    record_id: str
    concept: str
    said: VerdictKind
    instead: str | None = None
    model_id: int | None = None
    audit_id: int | None = None

    def __post_init__(self) -> None:
        if self.instead is not None and self.said not in (
            VerdictKind.WRONG,
            VerdictKind.TOO_GENERAL,
        ):
            raise UsageError("You can name another concept only with `wrong` or `too general`.")
        if self.instead == self.concept:
            raise UsageError("The other concept is the same as the suggested one.")


@dataclass(frozen=True, kw_only=True)
class OwnVerdict:
    """A verdict of a reviewer that is not withdrawn. `concept` is a URI."""

    id: UUID
    record_id: str
    concept: str


# Locks the verdicts to withdraw in the order of their keys. So two tabs of a reviewer cannot
# deadlock.
_LOCK = text(AdvisoryLock.VERDICTS.take_for(":user_id"))
_ASKED = """
    unnest(CAST(:ids AS uuid[]), CAST(:record_ids AS text[]), CAST(:concepts AS text[]),
           CAST(:said AS text[]), CAST(:instead AS text[]), CAST(:models AS int[]),
           CAST(:audits AS int[]))
    AS asked(id, record_id, concept_uri, said, instead_uri, model_id, audit_id)
"""
_MISSING = text(f"""
    SELECT CASE WHEN record.id IS NULL THEN 'record ' || asked.record_id
                WHEN asked.model_id IS NOT NULL AND model.id IS NULL THEN 'model ' || asked.model_id
                ELSE 'concept ' || coalesce(asked.instead_uri, asked.concept_uri) END
    FROM {_ASKED} LEFT JOIN record ON record.id = asked.record_id
    LEFT JOIN model ON model.id = asked.model_id
    WHERE record.id IS NULL OR asked.model_id IS NOT NULL AND model.id IS NULL
       OR NOT EXISTS (SELECT FROM concept WHERE uri = asked.concept_uri)
       OR asked.instead_uri IS NOT NULL
          AND NOT EXISTS (SELECT FROM concept WHERE uri = asked.instead_uri) LIMIT 1
""")
_KNOWN = text("""
    SELECT id, record_id, concept_uri AS concept, said, instead_uri AS instead, model_id, audit_id,
           user_id
    FROM verdict WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_WITHDRAW_FORMER = text(f"""
    UPDATE verdict SET withdrawn_at = now() FROM {_ASKED}
    WHERE verdict.record_id = asked.record_id AND verdict.concept_uri = asked.concept_uri
      AND verdict.audit_id IS NOT DISTINCT FROM asked.audit_id
      AND verdict.user_id = :user_id AND verdict.withdrawn_at IS NULL
""")
_ADD = text(f"""
    INSERT INTO verdict (id, record_id, concept_uri, said, instead_uri, model_id, audit_id, user_id)
    SELECT asked.*, :user_id FROM {_ASKED}
""")
_OWN = text("""
    SELECT verdict.id, verdict.record_id, verdict.concept_uri AS concept
    FROM verdict JOIN record ON record.id = verdict.record_id
    WHERE user_id = :user_id AND withdrawn_at IS NULL AND audit_id IS NULL
      AND :said IN ('', said) AND :provider IN ('', record.data_provider)
      AND :concept IN ('', concept_uri, instead_uri)
      AND (CAST(:before AS uuid) IS NULL
           OR (judged_at, verdict.id) < (SELECT judged_at, id FROM verdict WHERE id = :before))
    ORDER BY judged_at DESC, verdict.id DESC LIMIT :most
""")
_WITHDRAW = text("""
    UPDATE verdict SET withdrawn_at = now()
    WHERE id = ANY(CAST(:ids AS uuid[])) AND user_id = :user_id AND withdrawn_at IS NULL
      AND audit_id IS NOT DISTINCT FROM CAST(:audit_id AS int)
""")


def judge(connection: Connection, user_id: int, verdicts: Sequence[NewVerdict]) -> int:
    """Save verdicts in the caller's transaction. Returns how many of them are new.

    If several are on the same concept of a record, the last one counts.

    Raises:
        UsageError: there are too many at once; a record, concept or model is not in the store; or
            another verdict has the same ID.
    """
    if len(verdicts) > MOST_AT_ONCE:
        raise UsageError(f"{len(verdicts):,} verdicts at once; at most {MOST_AT_ONCE} are allowed.")
    connection.execute(_LOCK, {"user_id": user_id})
    known = _known(connection, user_id, verdicts)
    last = {(each.record_id, each.concept, each.audit_id): each for each in verdicts}
    new = [each for each in last.values() if each.id not in known]
    if not new:
        return 0
    asked = _asked(new) | {"user_id": user_id}
    missing = connection.execute(_MISSING, asked).scalar()
    if missing is not None:
        raise UsageError(f"The {missing} is not in the store, so the verdict was not saved.")
    connection.execute(_WITHDRAW_FORMER, asked)
    return connection.execute(_ADD, asked).rowcount


def _known(connection: Connection, user_id: int, verdicts: Sequence[NewVerdict]) -> set[UUID]:
    """The IDs of verdicts that are saved already with the same content."""
    sent: dict[UUID, NewVerdict] = {}
    is_other = any(sent.setdefault(each.id, each) != each for each in verdicts)
    rows = connection.execute(_KNOWN, {"ids": [str(each) for each in sent]}).mappings().all()
    for row in rows:
        kept = {name: value for name, value in row.items() if name != "user_id"}
        same = NewVerdict(**kept | {"said": VerdictKind(row["said"])}) == sent[row["id"]]
        is_other = is_other or not same or row["user_id"] != user_id
    if is_other:
        raise UsageError(
            "The ID of this verdict belongs to another verdict, so it was not saved. "
            "Load the page again, then repeat the verdict."
        )
    return {row["id"] for row in rows}


def withdraw(
    connection: Connection, user_id: int, ids: Sequence[UUID], *, audit_id: int | None = None
) -> int:
    """Withdraw verdicts of a reviewer, and return how many. Earlier verdicts stay withdrawn.

    Args:
        audit_id: only verdicts of this audit are withdrawn; None for those of no audit.

    Raises:
        UsageError: there are too many at once.
    """
    if len(ids) > MOST_AT_ONCE:
        raise UsageError(f"{len(ids):,} verdicts at once; at most {MOST_AT_ONCE} are allowed.")
    connection.execute(_LOCK, {"user_id": user_id})
    asked = {"ids": [str(each) for each in ids], "user_id": user_id, "audit_id": audit_id}
    return connection.execute(_WITHDRAW, asked).rowcount


def own_verdicts(
    connection: Connection,
    user_id: int,
    *,
    said: VerdictKind | None = None,
    provider: str = "",
    concept: str = "",
    before: UUID | None = None,
    most: int,
) -> list[OwnVerdict]:
    """Verdicts of a reviewer outside audits that are not withdrawn, the newest first.

    Args:
        concept: the URI of the suggested concept, or of the one that was named instead.
        before: the last verdict on the page before this one.
    """
    asked = {"user_id": user_id, "said": said or "", "provider": provider, "concept": concept}
    rows = connection.execute(_OWN, asked | {"before": before, "most": most}).mappings()
    return [OwnVerdict(**row) for row in rows]


def _asked(verdicts: Sequence[NewVerdict]) -> dict[str, list[object]]:
    return {
        "ids": [str(each.id) for each in verdicts],
        "record_ids": [each.record_id for each in verdicts],
        "concepts": [each.concept for each in verdicts],
        "said": [each.said.value for each in verdicts],
        "instead": [each.instead for each in verdicts],
        "models": [each.model_id for each in verdicts],
        "audits": [each.audit_id for each in verdicts],
    }
