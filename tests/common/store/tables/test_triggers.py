"""What an enrichment names is there and stays there; an enrichment that goes leaves a trace."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import IntegrityError

from common.store.session import open_store
from common.store.tables import Enrichment
from common.store.tables.triggers import PARENTS
from tests.common.store.tables.test_tables import GOOD, JOB, insert_rows

ENRICHMENT = GOOD["enrichment"]
MISSING = {
    "record": {"record_id": "/1/missing"},
    "concept": {"concept_uri": "http://data.europeana.eu/concept/1"},
    "model": {"model_id": 2},
    "job": {"job_id": JOB[:-1] + "2"},
}
RENAMED = {
    "record": "'/1/z'",
    "concept": "'http://x.org/1'",
    "model": "id + 1",
    "job": "gen_random_uuid()",
}


@pytest.fixture
def enriched(connection):
    """One enrichment; nothing but it names its record, concept and job."""
    insert_rows(connection, "enrichment", ENRICHMENT)
    for table in ("record_alias", "dataset_item", "harvest_cursor", "image", "job_chunk"):
        connection.execute(text(f"DELETE FROM {table}"))
    connection.execute(text("DELETE FROM job_failure"))
    return connection


@pytest.mark.parametrize("parent", MISSING)
def test_an_enrichment_that_names_what_is_missing_is_refused(connection, parent):
    with pytest.raises(IntegrityError, match=f"missing {parent}"):
        insert_rows(connection, "enrichment", ENRICHMENT | MISSING[parent])


def test_one_bad_row_of_many_is_found(enriched):
    enriched.execute(
        text("INSERT INTO record (id) SELECT '/2/r' || n FROM generate_series(1, 9) n")
    )
    rows = [ENRICHMENT | {"record_id": f"/2/r{number}"} for number in range(1, 11)]
    with pytest.raises(IntegrityError, match="missing record /2/r10"):
        enriched.execute(insert(Enrichment).values(rows))


@pytest.mark.parametrize("parent", MISSING)
def test_an_enrichment_cannot_come_to_name_what_is_missing(enriched, parent):
    ((column, value),) = MISSING[parent].items()
    with pytest.raises(IntegrityError, match=f"missing {parent}"):
        enriched.execute(text(f"UPDATE enrichment SET {column} = :value"), {"value": value})


@pytest.mark.parametrize("parent", ["record", "concept", "job"])
def test_what_an_enrichment_names_cannot_be_deleted(enriched, parent):
    with pytest.raises(IntegrityError, match=f"enrichments name this {parent}"):
        enriched.execute(text(f"DELETE FROM {parent}"))


def test_a_model_of_enrichments_cannot_be_deleted_even_without_jobs(enriched):
    enriched.execute(text("ALTER TABLE job DROP CONSTRAINT fk_job_model_id"))
    with pytest.raises(IntegrityError, match="enrichments name this model"):
        enriched.execute(text("DELETE FROM model"))


def test_what_no_enrichment_names_can_be_deleted(enriched):
    enriched.execute(text("DELETE FROM enrichment"))
    for parent in ("job", "model", "concept", "record"):
        assert enriched.execute(text(f"DELETE FROM {parent}")).rowcount == 1


@pytest.mark.parametrize("parent", PARENTS)
def test_what_an_enrichment_names_keeps_its_key(enriched, parent):
    enriched.execute(text("ALTER TABLE job DROP CONSTRAINT fk_job_model_id"))
    rename = f"UPDATE {parent} SET {PARENTS[parent]} = {RENAMED[parent]}"
    with pytest.raises(IntegrityError, match=f"may name this {parent}"):
        enriched.execute(text(rename))


def test_a_removed_enrichment_leaves_a_trace_with_the_time_of_its_last_removal(enriched):
    trace = text("SELECT model_id, record_id, concept_uri, removed_at FROM enrichment_removed")
    enriched.execute(text("DELETE FROM enrichment"))
    ((*named, first),) = enriched.execute(trace)
    assert named == [ENRICHMENT[name] for name in ("model_id", "record_id", "concept_uri")]
    enriched.execute(insert(Enrichment).values(ENRICHMENT))
    enriched.execute(text("UPDATE enrichment_removed SET removed_at = '2000-01-01'"))
    enriched.execute(text("DELETE FROM enrichment"))
    ((*named, last),) = enriched.execute(trace)
    assert (named[0], last) == (ENRICHMENT["model_id"], first)


@pytest.fixture
def store(database_url: str) -> Iterator[Engine]:
    """A database of the test's own, in which an enrichment may be written."""
    engine = open_store()
    with engine.begin() as connection:
        insert_rows(connection, "enrichment", ENRICHMENT)
        for table in ("enrichment", "record_alias", "dataset_item", "image"):
            connection.execute(text(f"DELETE FROM {table}"))
    yield engine
    engine.dispose()


def test_a_record_is_not_deleted_while_it_is_being_enriched(store: Engine) -> None:
    refusals: list[str] = []

    def delete() -> None:
        with pytest.raises(IntegrityError) as refusal, store.begin() as connection:
            connection.execute(text("DELETE FROM record"))
        refusals.append(str(refusal.value.orig))

    with store.begin() as writing:
        writing.execute(insert(Enrichment).values(ENRICHMENT))
        deleting = threading.Thread(target=delete)
        deleting.start()
        deleting.join(timeout=0.5)
        assert deleting.is_alive()  # it waits for what is being written
    deleting.join(timeout=10)
    assert "enrichments name this record" in refusals[0]
