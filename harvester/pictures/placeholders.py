"""Placeholders: pictures that stand in for missing ones, such as logos and grey squares.

A provider serves a placeholder, with status 200, under the URL of every picture that it lacks. So
the same bytes come from many different URLs. (A picture that several records share, such as the
pages of one album, has the same URL in all of them.) If a true picture was uploaded five times and
is set aside, little is lost: byte-identical copies teach a classifier nothing.

Judgements are rows of `picture_verdict`, by the SHA-256 of the stored file. A person's judgement
overrules the count, and takes effect with the next run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, text

from common.errors import UsageError
from common.reasons import Reason
from common.store.bulk import upsert
from common.store.tables import Judgement, PictureJudgement

MIN_URLS = 5  # with the same bytes: these count as a placeholder

_SHA256 = re.compile("[0-9a-f]{64}")

_JUDGE = text("""
    INSERT INTO picture_verdict (sha256, verdict)
    SELECT image.sha256, 'placeholder'
    FROM image JOIN record ON record.id = image.record_id
    WHERE image.state = 'stored' AND image.sha256 IN (
        SELECT shown.sha256
        FROM dataset_item AS item
        JOIN image AS shown ON shown.record_id = item.record_id AND shown.state = 'stored'
        WHERE item.dataset_id = :dataset)
    GROUP BY image.sha256
    HAVING count(DISTINCT coalesce(record.media_url, record.preview_url)) >= :urls
    ORDER BY image.sha256
    ON CONFLICT DO NOTHING
""")

_KNOWN = text("SELECT sha256 FROM picture_verdict WHERE verdict = 'placeholder'")

_SET_ASIDE = text(f"""
    UPDATE image
    SET state = 'failed', reason = '{Reason.PLACEHOLDER.code}', detail = sha256,
        not_before = now(), sha256 = NULL, path = NULL, width = NULL, height = NULL
    WHERE state = 'stored'
    AND sha256 IN (SELECT sha256 FROM picture_verdict WHERE verdict = 'placeholder')
""")

_FREE = text(f"""
    UPDATE image SET state = 'deferred', not_before = '-infinity', attempts = 1
    WHERE reason = '{Reason.PLACEHOLDER.code}' AND state = 'failed'
    AND detail IN (SELECT sha256 FROM picture_verdict WHERE verdict = 'picture')
""")

_LIST = text(f"""
    SELECT verdict.sha256, verdict.verdict, count(image.record_id) AS records,
           min(coalesce(record.media_url, record.preview_url)) AS example
    FROM picture_verdict AS verdict
    LEFT JOIN image ON image.sha256 = verdict.sha256
        OR image.reason = '{Reason.PLACEHOLDER.code}' AND image.detail = verdict.sha256
    LEFT JOIN record ON record.id = image.record_id
    GROUP BY verdict.sha256
    ORDER BY records DESC, verdict.sha256
""")


class Placeholders:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: frozenset[str] = frozenset()
        self._read()

    def __contains__(self, digest: str) -> bool:
        return digest in self._known

    def free_pictures(self) -> None:
        """Mark records to be tried again whose pictures a person has judged to be true ones."""
        with self._engine.begin() as connection:
            connection.execute(_FREE)

    def set_aside(self, dataset: int) -> int:
        """Judge the pictures of a dataset. Returns how many records, of any, lost theirs."""
        with self._engine.begin() as connection:
            connection.execute(_JUDGE, {"dataset": dataset, "urls": MIN_URLS})
            records = connection.execute(_SET_ASIDE).rowcount
        self._read()
        return records

    def _read(self) -> None:
        with self._engine.connect() as connection:
            self._known = frozenset(connection.scalars(_KNOWN))


@dataclass(frozen=True)
class Judged:
    """A judgement on a picture, the number of its records, and one of its URLs."""

    sha256: str
    verdict: Judgement
    records: int
    example: str | None


def judged_pictures(engine: Engine) -> list[Judged]:
    with engine.connect() as connection:
        return [Judged(*row) for row in connection.execute(_LIST)]


def judge(engine: Engine, digests: Sequence[str], verdict: Judgement) -> None:
    """Store a person's judgement on pictures; the next run applies it.

    Raises:
        UsageError: a digest is no SHA-256.
    """
    for digest in digests:
        if not _SHA256.fullmatch(digest):
            raise UsageError(
                f"'{digest}' is not the SHA-256 of a stored picture, which has 64 hex digits."
            )
    columns = ("sha256", "verdict")
    rows = [(digest, verdict) for digest in digests]
    with engine.begin() as connection:
        upsert(connection, PictureJudgement.__table__, columns, rows, update=("verdict",))
