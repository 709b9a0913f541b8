"""What to judge next: records of a data provider, at random.

A choice by what the model is unsure of was measured to teach no more than that.
"""

from sqlalchemy import Connection, text

from common.store.tables.harvested import of_provider
from desk.review.seen_pictures import seen_picture

# In an order of its own, so that a page that is loaded again has the same records.
_DRAWN = text(f"""
    SELECT drawn.id
    FROM (
        SELECT id FROM record
        WHERE {of_provider(":data_provider")}
          AND NOT EXISTS (SELECT FROM verdict
                          WHERE verdict.record_id = record.id AND withdrawn_at IS NULL)
          AND NOT EXISTS (SELECT FROM audit_draw JOIN audit ON audit.id = audit_draw.audit_id
                          WHERE audit_draw.record_id = record.id AND audit.state = 'open')
        ORDER BY hashtextextended(id, 0)
    ) AS drawn
    CROSS JOIN {seen_picture("drawn.id")} LIMIT :count
""")


def next_to_judge(
    connection: Connection, encoder_id: int, *, data_provider: str, count: int
) -> list[str]:
    """IDs of records that nobody has judged, whose pictures the encoder has seen, and that no open
    audit has drawn."""
    asked = {"encoder_id": encoder_id, "data_provider": data_provider, "count": count}
    return list(connection.execute(_DRAWN, asked).scalars())
