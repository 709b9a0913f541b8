"""The states of a publication, and the leases of the publishers that change them.

    planned --claim--> sending --posted--> posted --queue--> withdrawing --withdrawn--> withdrawn
       |                  |                   |
       |                  |                   +--sync--> withdrawn      others deleted it
       |                  +--said-----------> already_said    another annotation says it
       |                  +--refuse---------> refused         Europeana does not take it
       |                  +--put_back-------> planned         it was certainly not written
       |                  +--(lease ends)---> claimed again   its answer was lost: look for it first
       +--claim, no grounds left------------> refused
    already_said, refused, withdrawn --a later plan--> planned

Every transition is one short transaction by the clock of the database. `token` rises with each
claim, and the end of a request needs the token of its claim. A publication in `sending` may stand
at Europeana: it is looked for before it is sent a second time.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.publishing.grounds import OBSTACLE, statements_of
from common.vision.answers.provider_names import provider_name


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to send or withdraw one publication until the lease ends.

    `lost_at` is when a request for it was last begun whose answer is unknown, None at the first
    attempt. `annotation` is the URI of the annotation, once it is known.
    """

    record_id: str
    concept_uri: str
    name: UUID
    token: int
    lost_at: datetime | None = None
    annotation: str | None = None

    @property
    def key(self) -> dict[str, object]:
        return {"record_id": self.record_id, "concept_uri": self.concept_uri, "token": self.token}


_NEXT_TO_SEND = text("""
    SELECT publication.record_id, concept_uri, name, sent_at, data_provider
    FROM publication JOIN record ON record.id = publication.record_id
    WHERE plan_id = :plan_id AND state IN ('planned', 'sending') AND due_at <= now()
    ORDER BY due_at LIMIT 1 FOR UPDATE OF publication SKIP LOCKED
""")
_ONE_STATEMENT = statements_of(
    "publication.record_id = :record_id AND publication.concept_uri = :concept_uri",
    verdicts="record_id = :record_id",
)
_OBSTACLE = text(f"SELECT {OBSTACLE} FROM ({_ONE_STATEMENT}) AS statement")
_LEASE = """
    UPDATE publication SET {change}, token = token + 1, changed_at = clock_timestamp(),
           due_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE record_id = :record_id AND concept_uri = :concept_uri RETURNING token
"""
_LEASE_TO_SEND = text(
    _LEASE.format(change="state = 'sending', sent_at = coalesce(sent_at, clock_timestamp())")
)
_NO_GROUNDS = text("""
    UPDATE publication SET state = 'refused', reason = :reason, changed_at = now()
    WHERE record_id = :record_id AND concept_uri = :concept_uri
""")


def claim_to_send(connection: Connection, plan_id: int, *, seconds: float) -> Claim | None:
    """The next publication of a plan, in state `sending`; None if none is due.

    Those that have lost their grounds are refused here, in the same transaction. One that may
    stand at Europeana is claimed whatever its grounds: it has to be found first.
    """
    while True:
        row = connection.execute(_NEXT_TO_SEND, {"plan_id": plan_id}).one_or_none()
        if row is None:
            return None
        asked = {"record_id": row.record_id, "concept_uri": row.concept_uri}
        if row.sent_at is None and (obstacle := _obstacle(connection, asked, row.data_provider)):
            connection.execute(_NO_GROUNDS, asked | {"reason": obstacle})
            continue
        token = connection.execute(_LEASE_TO_SEND, asked | {"seconds": seconds}).scalar_one()
        return Claim(**asked, name=row.name, token=token, lost_at=row.sent_at)


def _obstacle(
    connection: Connection, asked: dict[str, str], data_provider: str | None
) -> str | None:
    odd = {data_provider: provider_name(data_provider)} if data_provider else {}
    given = asked | {"odd_spellings": json.dumps(odd)}
    found: str | None = connection.execute(_OBSTACLE, given).scalar_one()
    return found


_AGAIN = text("""
    SELECT data_provider FROM publication JOIN record ON record.id = publication.record_id
    WHERE record_id = :record_id AND concept_uri = :concept_uri AND token = :token
      AND state = 'sending' FOR UPDATE OF publication
""")
_SENT_AGAIN = text("""
    UPDATE publication SET sent_at = clock_timestamp(),
           due_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE record_id = :record_id AND concept_uri = :concept_uri
""")


def may_send_again(engine: Engine, claim: Claim, *, seconds: float) -> bool:
    """Begin another request for a publication that does not stand at Europeana.

    False if the lease was lost, or if the grounds were: then it is refused.
    """
    with engine.begin() as connection:
        row = connection.execute(_AGAIN, claim.key).one_or_none()
        if row is None:
            return False
        asked = {"record_id": claim.record_id, "concept_uri": claim.concept_uri}
        if obstacle := _obstacle(connection, asked, row.data_provider):
            connection.execute(_NO_GROUNDS, asked | {"reason": obstacle})
            return False
        connection.execute(_SENT_AGAIN, asked | {"seconds": seconds})
        return True


_NEXT_TO_WITHDRAW = text("""
    SELECT record_id, concept_uri, name, annotation FROM publication
    WHERE state = 'withdrawing' AND due_at <= now()
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_LEASE_TO_WITHDRAW = text(_LEASE.format(change="state = 'withdrawing'"))


def claim_to_withdraw(connection: Connection, *, seconds: float) -> Claim | None:
    """The next publication to delete at Europeana; None if none is due."""
    row = connection.execute(_NEXT_TO_WITHDRAW).mappings().one_or_none()
    if row is None:
        return None
    token = connection.execute(_LEASE_TO_WITHDRAW, {**row, "seconds": seconds}).scalar_one()
    return Claim(**row, token=token)


class SendOutcome(StrEnum):
    """How a claimed publication goes on, each with the SQL of what changes.

    POSTED stands at Europeana. ALREADY_SAID and REFUSED have a reason. PUT_BACK was certainly not
    written, and LOOK_LATER may have been. KEPT could not be deleted now.
    """

    POSTED = "state = 'posted', annotation = :annotation, posted_at = clock_timestamp()"
    ALREADY_SAID = "state = 'already_said', reason = :reason, sent_at = NULL"
    REFUSED = "state = 'refused', reason = :reason, sent_at = NULL"
    PUT_BACK = "state = 'planned', sent_at = NULL, due_at = clock_timestamp() + :wait"
    LOOK_LATER = "due_at = clock_timestamp() + :wait"
    WITHDRAWN = "state = 'withdrawn', sent_at = NULL"
    KEPT = "state = 'withdrawing', due_at = clock_timestamp() + :wait"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a claim ends.

    `annotation` is the URI of what was posted, `reason` why it is not sent, for people, and `wait`
    the seconds until the publication may be claimed again.
    """

    outcome: SendOutcome
    annotation: str | None = None
    reason: str | None = None
    wait: float = 0.0


def end(connection: Connection, claim: Claim, ending: Ending) -> bool:
    """End a claim; False if the lease was lost, and another publisher has the publication."""
    statement = text(f"""
        UPDATE publication SET {ending.outcome.value}, changed_at = clock_timestamp()
        WHERE record_id = :record_id AND concept_uri = :concept_uri AND token = :token
          AND state IN ('sending', 'withdrawing')
    """)
    given = {
        "annotation": ending.annotation,
        "reason": ending.reason,
        "wait": timedelta(seconds=ending.wait),
    }
    return connection.execute(statement, claim.key | given).rowcount == 1


_NEWEST = text("""
    SELECT record_id, concept_uri, name, token, annotation FROM publication
    WHERE state = 'posted' AND sent_at IS NOT NULL ORDER BY sent_at DESC LIMIT 1
""")


def newest_posted(connection: Connection) -> Claim | None:
    """The publication that was sent last and stands at Europeana.

    If Europeana's index has it, the index has what was written before it.
    """
    row = connection.execute(_NEWEST).mappings().one_or_none()
    return None if row is None else Claim(**row)


_LEFT_TO_SEND = text("""
    SELECT count(*) AS number,
           CAST(extract(epoch FROM min(due_at) - clock_timestamp()) AS float8) AS seconds
    FROM publication WHERE plan_id = :plan_id AND state IN ('planned', 'sending')
""")
_LEFT_TO_WITHDRAW = text("""
    SELECT count(*) AS number,
           CAST(extract(epoch FROM min(due_at) - clock_timestamp()) AS float8) AS seconds
    FROM publication WHERE state = 'withdrawing'
""")


@dataclass(frozen=True, kw_only=True)
class Left:
    """How many publications are left, and the seconds until one of them is due."""

    number: int
    seconds: float


def left_to_send(connection: Connection, plan_id: int) -> Left:
    row = connection.execute(_LEFT_TO_SEND, {"plan_id": plan_id}).one()
    return Left(number=row.number, seconds=max(0.0, row.seconds or 0.0))


def left_to_withdraw(connection: Connection) -> Left:
    row = connection.execute(_LEFT_TO_WITHDRAW).one()
    return Left(number=row.number, seconds=max(0.0, row.seconds or 0.0))
