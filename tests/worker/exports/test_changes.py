"""An export, merged with a later delta, is a later export: over random changes of the store."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4
from xml.etree import ElementTree

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from common.europeana.edm import DC, EDM, RDF
from common.store.decisions import block, consent, list_decisions, refuse, undo
from tests.worker.shelf import MAP, PAINTING, Shelf
from worker.exports.formats.texts import write_edm, write_removed
from worker.exports.selection import Selection, selected
from worker.ledger.enrichments import replace_enrichments
from worker.ledger.predictions import RecordPrediction

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
RECORDS, CONCEPTS = ("/1/a", "/1/b", "/2/c"), (MAP, PAINTING)
MODELS, PROVIDERS = ("vases 1", "coins 1"), ("Museum", "Archive")
VERDICTS = ("right", "wrong", "too_general", "cannot_tell")
SETTING = """
    INSERT INTO record (id, data_provider)
    VALUES ('/1/a', 'Museum'), ('/1/b', E'Museum\\n'), ('/2/c', 'Archive');
    INSERT INTO desk_user (id, name, role) VALUES (1, 'ann', 'operator'), (2, 'bob', 'reviewer');
    INSERT INTO audit (id, model_id, thresholds, rows, sample, attempt, error, drawn_by)
    OVERRIDING SYSTEM VALUE
    SELECT 1, min(id), '{}', 9, 1, 1, 0.05, 1 FROM model;
"""
EMPTY = """
    DELETE FROM enrichment; DELETE FROM enrichment_removed; DELETE FROM verdict;
    DELETE FROM decision; UPDATE audit SET state = 'open', ended_at = NULL,
                                           right_ones = NULL, precision = NULL
"""
WITHDRAW = """
    UPDATE verdict SET withdrawn_at = now() WHERE withdrawn_at IS NULL AND user_id = :user_id
    AND record_id = :record_id AND concept_uri = :concept
    AND audit_id IS NOT DISTINCT FROM :audit_id
"""
JUDGE = """
    INSERT INTO verdict (id, record_id, concept_uri, said, instead_uri, user_id, audit_id)
    VALUES (:id, :record_id, :concept, :said, :instead, :user_id, :audit_id)
"""
CLOSE = """
    UPDATE audit SET state = 'closed', ended_at = now(), right_ones = 1, precision = 0.5
    WHERE state = 'open'
"""

Statements = dict[tuple[str, str], tuple[str | None, str | None]]
Change = Callable[[Shelf], object]


def enrich(model: str, record_id: str, found: dict[str, float]) -> Change:
    def change(shelf: Shelf) -> None:
        with shelf.engine.begin() as connection:
            _enrich(connection, shelf, model, record_id, found)

    return change


def _enrich(
    connection: Connection, shelf: Shelf, model: str, record_id: str, found: dict[str, float]
) -> None:
    job_id = shelf.jobs[model]
    model_id = connection.scalar(text("SELECT model_id FROM job WHERE id = :id"), {"id": job_id})
    replace_enrichments(
        connection,
        model_id=model_id,
        job_id=job_id,
        record_ids=[record_id],
        predictions=[
            RecordPrediction(
                record_id=record_id,
                concept_uri=concept,
                confidence=confidence,
                source="media",
                image_url="https://museum.example/a.jpg",
                seen_at=LONG_AGO,
            )
            for concept, confidence in found.items()
        ],
    )


def judge(
    user_id: int, record_id: str, concept: str, said: str | None, *, audited: bool = False
) -> Change:
    """Someone judges, judges again, or withdraws (None); Bob's wrong names the other concept."""
    other = next(each for each in CONCEPTS if each != concept)
    audit_id = 1 if audited else None
    whose = {"user_id": user_id, "record_id": record_id, "concept": concept, "audit_id": audit_id}

    def change(shelf: Shelf) -> None:
        shelf.execute(WITHDRAW, **whose)
        if said:
            instead = other if said == "wrong" and user_id == 2 else None
            shelf.execute(JUDGE, **whose, id=uuid4(), said=said, instead=instead)

    return change


def close_audit(shelf: Shelf) -> None:
    shelf.execute(CLOSE)


def undo_last(shelf: Shelf) -> None:
    with shelf.engine.connect() as connection:
        made = list_decisions(connection)
    if made:
        undo(shelf.engine, made[0].id, user_id=1)


def make(shelf: Shelf, changes: list[Change]) -> None:
    for change in changes:
        change(shelf)


def block_concept(concept: str, provider: str | None) -> Change:
    return lambda shelf: block(shelf.engine, concept, data_provider=provider, reason="x", user_id=1)


def give_word(word: Callable[..., int], provider: str) -> Change:
    return lambda shelf: word(shelf.engine, provider, reason="x", user_id=1)


RECORD, CONCEPT = st.sampled_from(RECORDS), st.sampled_from(CONCEPTS)
CHANGES = st.one_of(
    st.builds(
        enrich,
        st.sampled_from(MODELS),
        RECORD,
        st.dictionaries(CONCEPT, st.sampled_from([0.25, 0.5, 0.75])),
    ),
    st.builds(
        judge,
        st.sampled_from([1, 2]),
        RECORD,
        CONCEPT,
        st.sampled_from([None, *VERDICTS]),
    ),
    st.just(close_audit),
    st.just(undo_last),
    st.builds(block_concept, CONCEPT, st.sampled_from([None, *PROVIDERS])),
    st.builds(give_word, st.sampled_from([refuse, consent]), st.sampled_from(PROVIDERS)),
)
ENRICHED = [
    enrich(model, record_id, dict.fromkeys(CONCEPTS, 0.5))
    for model in MODELS
    for record_id in RECORDS
]
JUDGED = [
    judge(1, "/1/a", MAP, "wrong", audited=True),  # the audit may be closed later
    judge(1, "/1/b", PAINTING, "right"),
    judge(1, "/2/c", MAP, "wrong"),
]
HISTORY = st.lists(CHANGES, max_size=12)


def statements_of(document: str) -> Statements:
    """Who made each statement and how sure it is, by record and concept."""
    return {
        (cho.attrib[f"{{{RDF}}}about"], each.attrib[f"{{{RDF}}}resource"]): (
            each.attrib.get(f"{{{EDM}}}wasGeneratedBy"),
            each.attrib.get(f"{{{EDM}}}confidenceLevel"),
        )
        for cho in ElementTree.fromstring(document)
        for each in cho.iter(f"{{{DC}}}type")
    }


def exported(
    shelf: Shelf, selection: Selection, *, with_wrong: bool = False
) -> tuple[Statements, Statements]:
    """The statements that an export has, and those to remove."""
    added, removed = io.BytesIO(), io.BytesIO()
    with selected(shelf.engine, selection, with_wrong=with_wrong) as rows:
        write_edm(rows, added)
        write_removed(rows.removed, removed)
    return statements_of(added.getvalue().decode()), statements_of(removed.getvalue().decode())


def merged(before: Statements, added: Statements, removed: Statements) -> Statements:
    """What an aggregator has that takes over a delta."""
    return {key: value for key, value in (before | added).items() if key not in removed}


def now(shelf: Shelf) -> datetime:
    with shelf.engine.connect() as connection:
        moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


WAYS: dict[str, tuple[str | None, bool]] = {
    "usual": (None, False),
    "--confirmed-only": ("right", False),
    "--with-wrong": (None, True),
}


def full_exports(shelf: Shelf, model: str | None = None) -> dict[str, Statements]:
    return {
        way: exported(
            shelf, Selection(since=LONG_AGO, model=model, verdict=verdict), with_wrong=with_wrong
        )[0]
        for way, (verdict, with_wrong) in WAYS.items()
    }


def deltas(
    shelf: Shelf, time: datetime, model: str | None = None
) -> dict[str, tuple[Statements, Statements]]:
    return {
        way: exported(
            shelf,
            Selection(changed_since=time, model=model, verdict=verdict),
            with_wrong=with_wrong,
        )
        for way, (verdict, with_wrong) in WAYS.items()
    }


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(earlier=HISTORY, later=HISTORY)
@example(earlier=[], later=[enrich(model, "/1/a", {}) for model in MODELS])
@example(earlier=[], later=[close_audit])
@example(earlier=[], later=[judge(1, "/1/b", PAINTING, None)])
@example(earlier=[give_word(refuse, "Museum")], later=[undo_last])
def test_an_export_with_a_delta_is_a_later_export(
    shelf: Shelf, earlier: list[Change], later: list[Change]
) -> None:
    set_up(shelf)
    make(shelf, [*ENRICHED, *JUDGED, *earlier])
    before, before_by_model = full_exports(shelf), full_exports(shelf, "vases")
    time = now(shelf)
    make(shelf, later)
    after, after_by_model = full_exports(shelf), full_exports(shelf, "vases")
    delta, delta_by_model = deltas(shelf, time), deltas(shelf, time, "vases")
    for way in WAYS:
        assert merged(before[way], *delta[way]) == after[way]
        by_model = merged(before_by_model[way], *delta_by_model[way])
        assert after_by_model[way].items() <= by_model.items()
        assert by_model.keys() <= after[way].keys()  # what another model still says stays
    assert set(map(str, deltas(shelf, now(shelf)).values())) == {"({}, {})"}


def set_up(shelf: Shelf) -> None:
    with shelf.engine.begin() as connection:
        if connection.scalar(text("SELECT count(*) FROM audit")) == 0:
            connection.execute(text(SETTING))
        connection.execute(text(EMPTY))


def test_what_never_was_a_statement_is_not_removed(shelf: Shelf) -> None:
    """A reviewer names MAP instead of PAINTING, but no model found MAP: no export had it."""
    set_up(shelf)
    enrich("vases 1", "/1/a", {PAINTING: 0.5})(shelf)
    judge(2, "/1/a", PAINTING, "wrong")(shelf)
    _, removed = exported(shelf, Selection(changed_since=LONG_AGO))
    assert [concept for _, concept in removed] == [PAINTING]
