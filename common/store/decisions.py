"""Decisions: concepts that are blocked, and what data providers want.

A decision holds until it is undone. To block, to refuse, to consent and to undo are one short
transaction each, and doing one twice is doing it once. A provider has one standing word: who
consents takes a refusal back in the same step, and the other way round.

Transactions that write enrichments hold the decisions: a decision waits until they have ended, and
what is begun after it obeys it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError, blaming
from common.process.foreign_text import UNFIT
from common.store.signals import AdvisoryLock
from common.store.tables import Decided
from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER

LONGEST_REASON = 2_000  # characters
LONGEST_NAME = 300  # characters of a data provider, as everywhere that providers are counted
SHOWN = 1_000  # decisions of a list

_DECIDE = text(AdvisoryLock.DECISIONS.take)
_STANDING = text("""
    SELECT id, decided FROM decision
    WHERE undone_at IS NULL AND data_provider IS NOT DISTINCT FROM :data_provider
      AND concept_uri IS NOT DISTINCT FROM :concept_uri
""")
_CONCEPT = text("SELECT 1 FROM concept WHERE uri = :concept_uri")
_INSERT = text("""
    INSERT INTO decision (decided, data_provider, concept_uri, reason, decided_by)
    VALUES (:decided, :data_provider, :concept_uri, :reason, :user_id) RETURNING id
""")
_UNDO = text("""
    UPDATE decision SET undone_at = now(), undone_by = :user_id
    WHERE id = :id AND undone_at IS NULL
""")
_KNOWN = text("SELECT 1 FROM decision WHERE id = :id")


def block(
    engine: Engine, concept_uri: str, *, data_provider: str | None, reason: str, user_id: int
) -> int:
    """Let a concept not be written or exported from now on; returns the decision's number.

    Args:
        data_provider: for whose records, as `provider_name` has it; None for all.

    Raises:
        UsageError: there is no such concept, or a text is empty, too long or no plain text.
    """
    asked = {"concept_uri": _checked(concept_uri, "concept", longest=LONGEST_REASON)}
    with engine.begin() as connection:
        if connection.execute(_CONCEPT, asked).first() is None:
            words = f"There is no concept {concept_uri!r}. Give the URI of a concept."
            raise UsageError(words, field="concept")
        return _decide(
            connection,
            Decided.BLOCKED,
            data_provider,
            asked["concept_uri"],
            reason=reason,
            user_id=user_id,
        )


def refuse(engine: Engine, data_provider: str, *, reason: str, user_id: int) -> int:
    """Let nothing of a provider's records be written or exported from now on.

    Returns:
        The decision's number.

    Raises:
        UsageError: a text is empty, too long or no plain text.
    """
    return _note_word(engine, Decided.REFUSED, data_provider, reason=reason, user_id=user_id)


def consent(engine: Engine, data_provider: str, *, reason: str, user_id: int) -> int:
    """Note that a provider wants enrichments; a refusal of its own is undone in the same step.

    Concepts that are blocked stay blocked.

    Returns:
        The decision's number.

    Raises:
        UsageError: a text is empty, too long or no plain text.
    """
    return _note_word(engine, Decided.CONSENTED, data_provider, reason=reason, user_id=user_id)


def undo(engine: Engine, decision_id: int, *, user_id: int) -> bool:
    """Undo a decision; False if it was undone before.

    Raises:
        UsageError: there is no such decision.
    """
    asked = {"id": decision_id, "user_id": user_id}
    with engine.begin() as connection:
        if connection.execute(_UNDO, asked).rowcount:
            return True
        if connection.execute(_KNOWN, asked).first() is None:
            raise UsageError(f"There is no decision {decision_id}.")
        return False


def _note_word(
    engine: Engine, word: Decided, data_provider: str, *, reason: str, user_id: int
) -> int:
    with engine.begin() as connection:
        return _decide(connection, word, data_provider, None, reason=reason, user_id=user_id)


def _decide(
    connection: Connection,
    decided: Decided,
    data_provider: str | None,
    concept_uri: str | None,
    *,
    reason: str,
    user_id: int,
) -> int:
    if data_provider is not None:
        in_a_line = " ".join(data_provider.split())
        data_provider = _checked(in_a_line, "data provider", longest=LONGEST_NAME)
    asked = {
        "decided": decided,
        "data_provider": data_provider,
        "concept_uri": concept_uri,
        "reason": _checked(reason, "reason", longest=LONGEST_REASON),
        "user_id": user_id,
    }
    connection.execute(_DECIDE)
    standing = connection.execute(_STANDING, asked).one_or_none()
    if standing is not None:
        if standing.decided == decided:
            return int(standing.id)
        connection.execute(_UNDO, {"id": standing.id, "user_id": user_id})
    number: int = connection.execute(_INSERT, asked).scalar_one()
    return number


def _checked(given: str, what: str, *, longest: int) -> str:
    bare = given.strip()
    with blaming(what.removeprefix("data ")):
        if not bare:
            raise UsageError(f"The {what} is empty. Give a {what}.")
        if len(bare) > longest:
            raise UsageError(
                f"The {what} has {len(bare):,} characters; at most {longest:,} are allowed."
            )
        if unfit := UNFIT.search(re.sub(r"[\t\r\n]", " ", bare)):
            raise UsageError(
                f"The {what} contains the character {unfit[0]!r}, which is not allowed."
            )
    return bare


@dataclass(frozen=True, kw_only=True)
class StandingBlock:
    data_provider: str | None
    concept_uri: str | None


_BLOCKS = """
    SELECT data_provider, concept_uri FROM decision
    WHERE undone_at IS NULL AND decided <> 'consented'
"""
# Two statements in one message: the second sees what was decided while the first one waited.
_HELD_BLOCKS = text(f"{AdvisoryLock.DECISIONS.share}; {_BLOCKS}")
_READ_BLOCKS = text(_BLOCKS)
_CHANGED_BLOCKS = text("""
    SELECT DISTINCT data_provider, concept_uri FROM decision
    WHERE decided <> 'consented' AND greatest(decided_at, undone_at) >= :since
""")


def standing_blocks(connection: Connection, *, hold: bool = False) -> list[StandingBlock]:
    """What is blocked now; with `hold`, new decisions wait until the transaction ends."""
    rows = connection.execute(_HELD_BLOCKS if hold else _READ_BLOCKS)
    return [StandingBlock(**row) for row in rows.mappings()]


def changed_blocks(connection: Connection, since: datetime) -> list[StandingBlock]:
    """What was blocked, or is no longer blocked, since a time of the database."""
    rows = connection.execute(_CHANGED_BLOCKS, {"since": since})
    return [StandingBlock(**row) for row in rows.mappings()]


@dataclass(frozen=True, kw_only=True)
class DecisionMade:
    """A decision with who made it and why; `label` is that of the concept.

    `user` is the account's name, null once the account was deleted; also for who undid it.
    """

    id: int
    decided: Decided
    data_provider: str | None
    concept_uri: str | None
    label: str | None
    reason: str
    user_id: int
    user: str | None
    decided_at: datetime
    undone_by_id: int | None
    undone_by: str | None
    undone_at: datetime | None

    @property
    def who(self) -> str:
        return self.user or f"account {self.user_id}"

    def __str__(self) -> str:
        by = f"by {self.who} on {self.decided_at:%Y-%m-%d}: {self.reason}"
        if self.decided is Decided.BLOCKED:
            return f"{self.label} is blocked for {self.data_provider or 'all'} {by}"
        return f"{self.data_provider} has {self.decided}, noted {by}"


_LIST = text(f"""
    SELECT decision.id, decided, data_provider, concept_uri,
           {label_sql("NULL", "concept_uri")} AS label, reason,
           decided_by AS user_id, decider.name AS "user", decided_at,
           undone_by AS undone_by_id, undoer.name AS undone_by, undone_at
    FROM decision JOIN desk_user AS decider ON decider.id = decided_by
    LEFT JOIN desk_user AS undoer ON undoer.id = undone_by
    WHERE (:undone_too OR undone_at IS NULL) AND decided = ANY(CAST(:decided AS text[]))
    ORDER BY undone_at IS NOT NULL, decision.id DESC LIMIT :shown
""")


def list_decisions(
    connection: Connection,
    *,
    decided: Sequence[Decided] = tuple(Decided),
    undone_too: bool = False,
    shown: int = SHOWN,
) -> list[DecisionMade]:
    asked = {"decided": list(decided), "undone_too": undone_too, "shown": shown}
    asked["languages"] = list(READER.get())
    rows = connection.execute(_LIST, asked).mappings()
    return [DecisionMade(**{**row, "decided": Decided(row["decided"])}) for row in rows]
