"""What others did to our annotations: deleted ones stay away, and so do those that were reported.

Both count as a verdict against the statement, by an account that stands for Europeana's users and
cannot log in. So models learn from them, and the statement has no grounds any longer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from common.publishing.withdrawals import queue_withdrawals
from publisher.europeana.annotations import AnnotationClient

ACCOUNT = "users of europeana.eu"
OVERLAP = timedelta(hours=1)  # that is read twice, since clocks differ
DELETED_BY_OTHERS = "deleted at Europeana by others"

_READ_UNTIL = text("""
    SELECT coalesce((SELECT read_until FROM publisher_sync),
                    (SELECT min(posted_at) FROM publication), now())
""")
_KEEP_TIME = text("""
    INSERT INTO publisher_sync (read_until) VALUES (:until)
    ON CONFLICT (only_row) DO UPDATE SET read_until = excluded.read_until
""")
_ACCOUNT = text("""
    INSERT INTO desk_user (name, role, ended_at) VALUES (:name, 'viewer', now())
    ON CONFLICT (name) DO UPDATE SET role = desk_user.role RETURNING id
""")
_AGAINST = text("""
    INSERT INTO verdict (id, record_id, concept_uri, said, model_id, user_id)
    SELECT gen_random_uuid(), record_id, concept_uri, 'wrong', model_id, :user_id
    FROM publication WHERE annotation = ANY(CAST(:found AS text[])) AND state = 'posted'
    ON CONFLICT DO NOTHING
""")
_GONE = text("""
    UPDATE publication SET state = 'withdrawn', reason = :reason, sent_at = NULL,
           changed_at = now()
    WHERE annotation = ANY(CAST(:found AS text[])) AND state = 'posted'
""")


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What others deleted or reported since the last time, and what is queued to be withdrawn."""

    deleted: int
    reported: int
    queued: int


def sync(engine: Engine, api: AnnotationClient) -> Synced:
    """Read what others deleted and reported, and queue what has no grounds.

    Raises:
        KeyRefusedError: Europeana refuses the key.
        NotWrittenError: the Annotation API does not answer now.
        ApiError: it answers in an unknown form.
    """
    until = datetime.now(UTC)
    with engine.connect() as connection:
        since = connection.execute(_READ_UNTIL).scalar_one() - OVERLAP
    gone = list(api.deleted(since, until + OVERLAP))
    reported = api.reported()
    with engine.begin() as connection:
        _judge(connection, [*gone, *reported])
        deleted = connection.execute(_GONE, {"found": gone, "reason": DELETED_BY_OTHERS}).rowcount
        connection.execute(_KEEP_TIME, {"until": until})
        queued = queue_withdrawals(connection)
    return Synced(deleted=deleted, reported=len(reported), queued=queued)


def _judge(connection: Connection, found: Iterable[str]) -> None:
    listed = list(found)
    if listed:
        user_id = connection.execute(_ACCOUNT, {"name": ACCOUNT}).scalar_one()
        connection.execute(_AGAINST, {"found": listed, "user_id": user_id})
