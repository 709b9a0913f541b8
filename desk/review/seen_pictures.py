"""SQL for the picture of a record that is compared with others."""

from common.store.embeddings import IS_DATED


def seen_picture(record: str) -> str:
    """The SQL of a lateral query for the latest picture of a record that was seen.

    Its columns are `sha256` and `vector`, the embedding of the encoder `:encoder_id`. It has no row
    if the encoder has seen no picture of the record.

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
