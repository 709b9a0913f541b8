"""Lists of record IDs as people have them."""

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from worker.record_lists import (
    RejectedLines,
    dataset_record_ids,
    read_record_ids,
    refuse_rejected,
)


def test_ids_item_uris_and_portal_urls_are_read() -> None:
    rejected = RejectedLines()
    lines = [
        "/1/a\n",
        "\n",
        "http://data.europeana.eu/item/1/b\n",
        " https://www.europeana.eu/en/item/1/c?q=x \n",
    ]
    assert list(read_record_ids(lines, rejected)) == ["/1/a", "/1/b", "/1/c"]
    assert rejected.count == 0


def test_bad_lines_are_named_by_number() -> None:
    rejected = RejectedLines()
    assert list(read_record_ids(["/1/a", "nonsense", "/2"], rejected)) == ["/1/a"]
    assert rejected.count == 2
    assert "line 2: 'nonsense' is no record ID" in str(rejected)
    assert "line 3" in str(rejected)


def test_of_many_bad_lines_the_first_are_shown_and_the_rest_counted() -> None:
    rejected = RejectedLines()
    list(read_record_ids(["nonsense"] * 25, rejected))
    assert str(rejected).count("line ") == 10
    assert "and 15 more" in str(rejected)


def test_a_bad_line_refuses_the_list_at_its_end() -> None:
    rejected = RejectedLines()
    passed = refuse_rejected(read_record_ids(["/1/a", "nonsense", "/1/b"], rejected), rejected)
    assert [next(passed), next(passed)] == ["/1/a", "/1/b"]
    with pytest.raises(UsageError, match="line 2"):
        next(passed)


def test_the_records_of_a_dataset_are_read(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO dataset (name) VALUES ('maps')"))
        connection.execute(
            text("""
                INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source)
                SELECT dataset.id, record.id, concept.uri, 'search' FROM dataset, record, concept
            """)
        )
    assert sorted(dataset_record_ids(engine, "maps")) == sorted(records)


def test_an_unknown_dataset_is_refused_with_those_that_exist(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO dataset (name) VALUES ('maps')"))
    with pytest.raises(UsageError, match="'globes'.*maps"):
        list(dataset_record_ids(engine, "globes"))
