"""Parquet files, read back by the library that everybody reads them with."""

import io
import json
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

from tests.worker.exports.rows import PAINTING, ROW, row, rows
from worker.exports.formats import parquet as exporting
from worker.exports.formats.parquet import METADATA_KEY, write_parquet
from worker.exports.rows import EnrichmentRow

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `parquet`")


def written(given: list[EnrichmentRow], **asked: Any) -> bytes:
    stream = io.BytesIO()
    assert write_parquet(given, stream, asked=asked, promises=["kept"]) == len(given)
    return stream.getvalue()


def test_rows_come_back_as_they_were() -> None:
    heatmap = "ab/abcd.heatmap.jpg"
    given = [row(label="gemälde"), row(concept=PAINTING, confidence=1.0, heatmap=heatmap)]
    table = parquet.read_table(io.BytesIO(written(given)))
    assert table.to_pylist() == [each._asdict() for each in given]


def test_columns_have_types_and_the_file_says_what_was_asked_for() -> None:
    job = UUID(ROW.job)
    schema = parquet.read_schema(io.BytesIO(written([ROW], job=job)))
    types = {name: str(schema.field(name).type) for name in schema.names}
    assert (types["confidence"], types["written"]) == ("double", "timestamp[us, tz=UTC]")
    assert [field.name for field in schema if field.nullable] == [
        *("heatmap", "seen", "verdict", "provider", "rights", "encoder", "threshold"),
    ]
    assert json.loads(schema.metadata[METADATA_KEY.encode()]) == {
        "job": str(job),
        "promises": ["kept"],
    }


def test_row_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "ROWS_A_GROUP", 100)
    file = parquet.ParquetFile(io.BytesIO(written(rows(250))))
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert sizes == [100, 100, 50]


def test_the_same_rows_give_the_same_bytes_and_none_a_table_without_rows() -> None:
    assert written(rows(10), model="vases") == written(rows(10), model="vases")
    empty = parquet.read_table(io.BytesIO(written([])))
    assert (empty.num_rows, empty.column_names) == (0, list(EnrichmentRow._fields))


def test_without_pyarrow_the_message_names_the_extra() -> None:
    program = (
        "import io, sys; sys.modules['pyarrow'] = None\n"
        "from common.errors import UsageError\n"
        "from worker.exports.formats.parquet import write_parquet\n"
        "try: write_parquet([], io.BytesIO(), asked={}, promises=[])\n"
        "except UsageError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "install this project's extra `parquet`" in done.stdout
