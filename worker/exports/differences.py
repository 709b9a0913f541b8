"""Why an export of a job has other numbers than its status.

The status counts what the job came to, an export holds what the store has of its records. Where a
record fails, what an earlier job found stays. And a record that was renamed, and enqueued under its
former ID and its present one, is one record in an export.
"""

from uuid import UUID

from sqlalchemy import Engine, text

from common.process.terminal.counting import counted
from common.vision.answers.blocked import Blocks
from worker.exports.selection import CONDITIONS, NOT_WRONG, SOURCE, Selection, parameters

_KEPT = f"""
    SELECT count(*) {SOURCE} WHERE {CONDITIONS["job"]} AND {NOT_WRONG}
    AND enrichment.record_id IN (
        SELECT coalesce(alias.record_id, failure.record_id)
        FROM job_failure AS failure LEFT JOIN record_alias AS alias ON old_id = failure.record_id
        WHERE failure.job_id = :job)
"""
_TWICE = text("""
    WITH asked AS (
        SELECT unnest(record_ids) AS id FROM job_chunk WHERE job_id = :job AND state = 'done'
    ), renamed AS (
        SELECT alias.record_id FROM asked JOIN record_alias AS alias ON alias.old_id = asked.id
    )
    SELECT (SELECT count(*) FROM renamed) - (SELECT count(DISTINCT record_id) FROM renamed)
           + (SELECT count(*) FROM asked WHERE id IN (SELECT record_id FROM renamed))
""")


def differences(engine: Engine, job: UUID) -> list[str]:
    """What makes the numbers differ, a sentence each."""
    with engine.connect() as connection:
        blocked = Blocks.read(connection).in_sql(connection)
        asked = parameters(connection, Selection(job=job)) | blocked.parameters
        kept = connection.scalar(text(f"{_KEPT} AND {blocked.is_free}"), asked) or 0
        twice = connection.scalar(_TWICE, {"job": job}) or 0
    told = []
    if kept:
        kept_ones = counted(
            kept,
            "of these enrichments was found by an earlier job, and its record",
            "of these enrichments were found by an earlier job, and their records",
        )
        told.append(f"{kept_ones} failed in this job.")
    if twice:
        records = counted(twice, "record was", "records were")
        told.append(
            f"{records} enqueued twice, under a former ID and under another ID. The status "
            "of the job counts both. The export has each record once, under its present ID."
        )
    return told
