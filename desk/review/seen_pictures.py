"""Which picture of a record is compared, and asked about."""

from common.store.embeddings import IS_DATED


def seen_picture(record: str) -> str:
    """The SQL of a lateral query for the picture of a record that was seen last.

    It gives its `sha256` and `vector`, as the encoder `:encoder_id` has them; no row where the
    encoder has seen none.

    Args:
        record: the SQL of the record's ID.
    """
    return f"""
        LATERAL (
            SELECT embedding.sha256, embedding.vector FROM picture_seen AS seen
            JOIN embedding
                 ON embedding.encoder_id = :encoder_id AND embedding.sha256 = seen.sha256
            WHERE seen.record_id = {record} AND {IS_DATED}
            ORDER BY seen.seen_at DESC LIMIT 1
        ) AS picture
    """
