from dataclasses import replace
from itertools import chain

import pytest
from sqlalchemy import text

from common.errors import UsageError
from common.store.tables import Outcome, VerdictKind
from desk.review import suggestions
from desk.review.filters import JudgedState, ViewFilters
from desk.review.suggestions import suggestion_page, suggestions_asked, suggestions_of_record
from tests.desk.museum import MAP, PAINTING, Museum

OURS, THEIRS = "Our museum", "Their museum"
RECORDS = [f"/1/r{number:02}" for number in range(12)]


@pytest.fixture
def filled(museum: Museum) -> Museum:
    """Twelve records in three chunks: eight maps and paintings, two of nothing, two that failed."""
    museum.records(OURS, *RECORDS[::2])
    museum.records(THEIRS, *RECORDS[1::2])
    museum.execute("INSERT INTO record_alias VALUES ('/1/old', :record)", record=RECORDS[0])
    model = museum.model()
    asked = ["/1/old", *RECORDS[1:]]
    failed = {RECORDS[10]: "timeout", RECORDS[11]: "not_found"}
    job = museum.job(model, asked[:5], asked[5:6], asked[6:], failed=failed)
    found = {
        record: (MAP if number % 2 else PAINTING, number / 10)
        for number, record in enumerate(RECORDS[:8])
    }
    museum.enrich(job, model, found)
    museum.the_job, museum.the_model = job, model
    return museum


def pages(museum, filters, count=100):
    """The records of all pages, page by page."""
    found = []
    with museum.engine.connect() as connection:
        while True:
            page = suggestion_page(connection, filters, [museum.the_model], count=count)
            found.append([each.record_id for each in page.found])
            if page.after is None:
                return found
            assert len(found) < 50
            filters = replace(filters, after=page.after)


def records(museum, **filters):
    return sorted(chain(*pages(museum, ViewFilters(**filters))))


@pytest.mark.parametrize("way", ["job", "provider", "model"])
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_pages_show_each_record_once(filled, way, count):
    filters = {
        "job": ViewFilters(job=filled.the_job),
        "provider": ViewFilters(provider=OURS),
        "model": ViewFilters(),
    }[way]
    found = chain(*pages(filled, filters, count))
    assert sorted(found) == (RECORDS[:8:2] if way == "provider" else RECORDS[:8])


def test_filters_narrow_what_is_shown(filled):
    assert records(filled, concept=MAP) == RECORDS[1:8:2]
    assert records(filled, lowest=0.3, highest=0.5) == RECORDS[3:6]
    assert records(filled, provider=THEIRS, concept=PAINTING) == []
    assert records(filled, job=filled.the_job, provider=THEIRS) == RECORDS[1:8:2]


def test_failures_have_their_reasons(filled):
    with filled.engine.connect() as connection:
        filters = ViewFilters(job=filled.the_job, outcome=Outcome.FAILED)
        page = suggestion_page(connection, filters, [filled.the_model], count=10)
    assert {each.record_id: each.reason for each in page.found} == {
        RECORDS[10]: "timeout",
        RECORDS[11]: "not_found",
    }


def test_records_of_which_nothing_was_written_are_neither_failed_nor_enriched(filled):
    assert records(filled, job=filled.the_job, outcome=Outcome.BELOW_THRESHOLD) == RECORDS[8:10]


def test_a_walk_is_bounded_and_says_where_to_go_on(filled, monkeypatch):
    monkeypatch.setattr(suggestions, "WALKED_FILTERED", 3)
    for filters in (ViewFilters(concept=MAP), ViewFilters(concept=MAP, job=filled.the_job)):
        found = pages(filled, filters)
        assert len(found) > 2
        assert sorted(chain(*found)) == RECORDS[1:8:2]


FILL = """
    INSERT INTO record (id, data_provider)
    SELECT '/9/r' || n, 'Museum ' || n % 20 FROM generate_series(1, 10240) AS n;
    INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, enriched)
    SELECT '{job}', 2 + (n - 1) / 256, array_agg('/9/r' || n), 'done', now(), 256
    FROM generate_series(1, 10240) AS n GROUP BY 2;
    INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source, image_url, job_id)
    SELECT {model}, '/9/r' || n, '{concept}', 0.9, 'thumbnail', 'http://museum.example', '{job}'
    FROM generate_series(1, 10240) AS n;
    ANALYZE
"""
READ = """
    SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class
    WHERE relname IN ('record', 'enrichment', 'verdict') OR oid IN (
        SELECT indexrelid FROM pg_index JOIN pg_class AS own ON own.oid = indrelid
        WHERE own.relname IN ('record', 'enrichment', 'verdict'))
"""


@pytest.mark.parametrize("way", ["job", "provider", "model"])
@pytest.mark.parametrize("judged", [JudgedState.ANY, JudgedState.NO])
def test_a_page_reads_its_walk_and_little_more(museum, monkeypatch, way, judged):
    monkeypatch.setattr(suggestions, "WALKED_FILTERED", 100)
    model = museum.model()
    job = museum.job(model)
    museum.execute(FILL.format(job=job, model=model, concept=MAP))
    chosen = {"job": {"job": job}, "provider": {"provider": "Museum 7"}, "model": {}}[way]
    filters = ViewFilters(lowest=0.5, judged=judged, **chosen)
    with museum.engine.connect() as connection:
        before = connection.execute(text(READ)).scalar_one()
        page = suggestion_page(connection, filters, [model], count=10)
        read = connection.execute(text(READ)).scalar_one() - before
    assert len(page.found) == 10
    assert read < (50 if way == "job" else 150)  # a job's chunks say which records it has


def test_long_names_of_providers_that_begin_alike_are_told_apart(filled):
    beginning = "A museum " * 100
    filled.records(f"{beginning}here", "/2/here")
    filled.records(f"{beginning}there", "/2/there")
    filled.enrich(filled.the_job, filled.the_model, {"/2/here": (MAP, 0.9), "/2/there": (MAP, 0.9)})
    assert records(filled, provider=f"{beginning}there") == ["/2/there"]
    assert records(filled, provider=beginning) == []


def test_verdicts_are_told_and_filter(filled):
    filled.say("one", RECORDS[0], PAINTING, VerdictKind.RIGHT)
    filled.say("two", RECORDS[0], PAINTING, VerdictKind.WRONG, instead=MAP)
    filled.say("one", RECORDS[1], MAP, VerdictKind.RIGHT)
    assert records(filled, judged=JudgedState.NO) == RECORDS[2:8]
    assert records(filled, judged=JudgedState.YES) == RECORDS[:2]
    assert records(filled, judged=JudgedState.DISPUTED) == RECORDS[:1]
    with filled.engine.connect() as connection:
        record = suggestions_of_record(connection, RECORDS[0])
    (told,) = record.suggestions
    assert [(each.name, each.said, each.instead) for each in told.verdicts] == [
        ("one", "right", None),
        ("two", "wrong", "map"),
    ]
    assert told.is_disputed
    assert told.said_by(filled.user("two")).said is VerdictKind.WRONG


def test_a_forgotten_reviewer_has_a_number_alone(filled):
    filled.say("one", RECORDS[0], PAINTING, VerdictKind.RIGHT)
    filled.execute("UPDATE desk_user SET name = NULL, password = NULL, ended_at = now()")
    with filled.engine.connect() as connection:
        (told,) = suggestions_of_record(connection, RECORDS[0]).suggestions
    assert told.verdicts[0].name == f"account {filled.user('one')}"


def test_what_is_not_there_is_none(filled):
    with filled.engine.connect() as connection:
        assert suggestions_of_record(connection, "/1/none") is None


@pytest.mark.parametrize("after", ["x", "1", "1.x", "9" * 20 + ".1", "-1.0"])
def test_a_malformed_place_is_refused(filled, after):
    filters = ViewFilters(job=filled.the_job, after=after)
    with filled.engine.connect() as connection, pytest.raises(UsageError, match="not valid"):
        suggestion_page(connection, filters, [filled.the_model], count=1)


def test_concepts_of_records_are_asked_for_by_name(filled):
    filled.say("one", RECORDS[9], MAP, VerdictKind.RIGHT)
    keys = [(RECORDS[9], MAP), (RECORDS[1], MAP), ("/1/none", MAP), (RECORDS[1], "nothing")]
    with filled.engine.connect() as connection:
        unwritten, written = suggestions_asked(connection, keys, [filled.the_model])
        assert suggestions_asked(connection, [], []) == []
    assert (unwritten.record_id, unwritten.is_written, unwritten.confidence) == (
        RECORDS[9],
        False,
        None,
    )
    assert [each.said for each in unwritten.verdicts] == [VerdictKind.RIGHT]
    assert (written.record_id, written.label, written.confidence) == (RECORDS[1], "map", 0.1)


def test_what_no_model_wrote_but_people_judged_is_told_of_a_record(filled):
    filled.say("one", RECORDS[1], PAINTING, VerdictKind.WRONG, instead=MAP)
    with filled.engine.connect() as connection:
        written, judged = suggestions_of_record(connection, RECORDS[1]).suggestions
    assert (written.concept, written.is_written, written.verdicts[0].said) == (MAP, True, "right")
    assert (judged.concept, judged.is_written, judged.model) == (PAINTING, False, None)
    assert judged.said_by(filled.user("one")).instead_uri == MAP
    assert written.said_by(filled.user("one")) is None  # it is on the other concept
