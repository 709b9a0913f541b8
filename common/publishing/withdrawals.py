"""Withdrawals: the statements that lost their grounds, queued to be deleted at Europeana.

A withdrawal ends the grounds of what it names. Retired models, blocked concepts, consents that were
undone and new verdicts end grounds too. `queue_withdrawals` finds all published statements that
have no ground left, whatever ended it.
"""

import json
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.process.terminal.counting import counted
from common.publishing.grounds import LIVE_AUDITS, OBSTACLE, PROVIDER, statements_of
from common.vision.answers.data_providers import odd_spellings


@dataclass(frozen=True, kw_only=True)
class WithdrawalScope:
    """What is withdrawn: exactly one of these; `data_provider` is its `provider_name`.

    Raises:
        UsageError: none is given, or several are.
    """

    model_id: int | None = None
    job_id: UUID | None = None
    audit_id: int | None = None
    concept_uri: str | None = None
    data_provider: str | None = None

    def __post_init__(self) -> None:
        given = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        if len(given) != 1:
            raise UsageError(
                "Choose what to withdraw: one model, job, audit, concept or data provider, "
                "and only one of them."
            )

    @property
    def values(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """What a withdrawal did: statements that are deleted now, and that stay for another ground."""

    queued: int
    stay: int


_ADD = text("""
    INSERT INTO withdrawal (model_id, job_id, audit_id, concept_uri, data_provider, confirmed_too,
                            reason, made_by, made_at)
    VALUES (:model_id, :job_id, :audit_id, :concept_uri, :data_provider, :confirmed_too,
            :reason, :user_id, clock_timestamp())
""")
_IN_SCOPE = text(f"""
    SELECT count(*) FROM publication JOIN record ON record.id = publication.record_id
    WHERE state = 'posted'
      AND (publication.model_id = :model_id OR publication.job_id = :job_id
           OR CAST(:audit_id AS int) = ANY(publication.audits)
           OR publication.concept_uri = :concept_uri OR {PROVIDER} = :data_provider
           OR EXISTS (SELECT FROM audit WHERE audit.id = ANY(publication.audits)
                      AND audit.model_id = :model_id))
""")
_GROUNDLESS = f"""
    SELECT statement.record_id, statement.concept_uri, {OBSTACLE} AS obstacle
    FROM ({statements_of("publication.state = 'posted'")}) AS statement
    WHERE {OBSTACLE} IS NOT NULL
"""
_COUNT = text(f"SELECT count(*) FROM ({_GROUNDLESS}) AS groundless")
_FIND = text(f"CREATE TEMPORARY TABLE groundless ON COMMIT DROP AS {_GROUNDLESS}")
# Audits that were closed after the plan may cover the statement too.
_LOOK_FOR_AUDITS = text(f"""
    UPDATE publication SET audits = found.audits FROM (
        SELECT groundless.record_id, groundless.concept_uri, array_agg(live.id) AS audits
        FROM ({LIVE_AUDITS}) AS live JOIN audit_block ON audit_block.audit_id = live.id
        CROSS JOIN LATERAL unnest(audit_block.record_ids) AS frozen(record_id)
        JOIN groundless ON groundless.record_id = frozen.record_id
         AND groundless.concept_uri = audit_block.concept_uri
        GROUP BY groundless.record_id, groundless.concept_uri
    ) AS found
    WHERE publication.record_id = found.record_id AND publication.concept_uri = found.concept_uri
""")
_QUEUE = text(f"""
    UPDATE publication SET state = 'withdrawing', due_at = now(), reason = statement.obstacle,
           changed_at = now()
    FROM ({_GROUNDLESS}) AS statement
    WHERE publication.record_id = statement.record_id AND publication.state = 'posted'
      AND publication.concept_uri = statement.concept_uri
""")


def withdraw(
    engine: Engine,
    scope: WithdrawalScope,
    *,
    reason: str,
    confirmed_too: bool = False,
    user_id: int | None = None,
) -> Withdrawn:
    """End the grounds of what is named, and queue all statements without one.

    Args:
        confirmed_too: of a model, job or audit, also the statements that reviewers confirmed.
    """
    with engine.begin() as connection:
        asked = scope.values | {"odd_spellings": json.dumps(odd_spellings(connection))}
        given = {"confirmed_too": confirmed_too, "reason": reason, "user_id": user_id}
        connection.execute(_ADD, asked | given)
        queued = queue_withdrawals(connection)
        stay = connection.execute(_IN_SCOPE, asked).scalar_one()
    return Withdrawn(queued=queued, stay=stay)


def published_of(connection: Connection, scope: WithdrawalScope) -> int:
    """How many statements are published of a scope."""
    asked = scope.values | {"odd_spellings": json.dumps(odd_spellings(connection))}
    found: int = connection.execute(_IN_SCOPE, asked).scalar_one()
    return found


def groundless(connection: Connection) -> int:
    """How many published statements have lost all grounds, and are to be withdrawn."""
    asked = {"odd_spellings": json.dumps(odd_spellings(connection))}
    found: int = connection.execute(_COUNT, asked).scalar_one()
    return found


def groundless_words(connection: Connection) -> str:
    """What an action that ended grounds adds to its message; empty if it ended none."""
    number = groundless(connection)
    if not number:
        return ""
    lost = counted(number, "published statement is", "published statements are")
    return (
        f"{lost} no longer confirmed, certified or allowed. The process publisher run withdraws "
        "them. If this process is not running, type: publisher sync"
    )


def queue_withdrawals(connection: Connection) -> int:
    """Queue all published statements without grounds; returns how many were queued now."""
    asked = {"odd_spellings": json.dumps(odd_spellings(connection))}
    if connection.execute(_FIND, asked).rowcount == 0:
        connection.execute(text("DROP TABLE groundless"))
        return 0
    connection.execute(_LOOK_FOR_AUDITS)
    connection.execute(text("DROP TABLE groundless"))
    return connection.execute(_QUEUE, asked).rowcount
