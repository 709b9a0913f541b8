"""Enrichments as a Parquet file, for the analysis of millions of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from itertools import islice
from typing import Any, BinaryIO

from common.errors import UsageError
from worker.exports.columns import columns_of
from worker.exports.labels import NO_LABELS, ExportLabels
from worker.exports.rows import EnrichmentRow

_REPEATED = frozenset(EnrichmentRow._fields) - {
    *("record_id", "image_url", "heatmap", "confidence", "threshold", "seen", "written"),
}  # columns of few texts, which a dictionary stores once
ROWS_A_GROUP = 50_000  # in memory at a time
METADATA_KEY = "enrichments"


def write_parquet(
    rows: Iterable[EnrichmentRow],
    stream: BinaryIO,
    labels: ExportLabels = NO_LABELS,
    *,
    asked: Mapping[str, Any],
    promises: Sequence[str],
) -> int:
    """Write all columns of EnrichmentRow, and one of labels for each language.

    Returns the number of rows.

    Args:
        asked: job, model and time of the selection, for the metadata of the file, as JSON.
        promises: what is promised of the enrichments, for the metadata.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow: install this project's extra `parquet`."
        ) from error
    schema = _schema(pyarrow, asked, promises, labels)
    remaining = ((*row, *labels.texts(row.model, row.concept)) for row in rows)
    count = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        while group := list(islice(remaining, ROWS_A_GROUP)):
            columns = zip(schema, zip(*group, strict=True), strict=True)
            arrays = [pyarrow.array(values, field.type) for field, values in columns]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), ROWS_A_GROUP)
            count += len(group)
    return count


def is_available() -> bool:
    return find_spec("pyarrow") is not None


def _schema(
    pyarrow: Any, asked: Mapping[str, Any], promises: Sequence[str], labels: ExportLabels
) -> Any:
    repeated = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {
        str: pyarrow.string(),
        float: pyarrow.float64(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    fields = [
        pyarrow.field(
            each.name, repeated if each.name in _REPEATED else kinds[each.kind]
        ).with_nullable(each.may_be_missing)
        for each in columns_of(EnrichmentRow)
    ]
    fields += [pyarrow.field(name, repeated) for name in labels.columns]
    described = json.dumps(
        {name: str(value) for name, value in asked.items()} | {"promises": list(promises)}
    )
    return pyarrow.schema(fields, metadata={METADATA_KEY: described})
