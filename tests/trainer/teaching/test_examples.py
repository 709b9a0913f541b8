"""What a refit learns from."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from common.errors import DatasetError, UsageError
from tests.trainer.teaching.school import EACH, MUSEUM, URIS, School
from trainer.teaching import examples as module
from trainer.teaching.examples import TaughtPictures, read_examples
from trainer.teaching.taught_model import open_teachable


def read(school: School, *, data: str = "dataset plain") -> TaughtPictures:
    base = open_teachable(school.engine, school.model_dir, school.model_id)
    says = replace(base.description, created_from={"data": data})
    with school.engine.connect() as connection:
        return read_examples(connection, says, base.encoder.id, data_provider=MUSEUM)


def run(school: School, statement: str, **values: object) -> None:
    with school.engine.begin() as connection:
        connection.execute(text(statement), values)


def test_old_labels_come_first_evenly_by_concept_and_then_the_verdicts(school: School) -> None:
    school.judge(20)
    found = read(school)
    examples = found.examples
    assert (examples.old, examples.judged, examples.classes) == (3 * EACH, 20, 3)
    assert examples.labels[:6].tolist() == [0, 1, 2, 0, 1, 2]
    assert examples.labels[3 * EACH :].tolist() == school.labels[:20].tolist()
    assert examples.other_providers.all()
    assert (found.disputed, found.unlabelled, found.unknown, found.without_embedding) == (
        0,
        0,
        0,
        0,
    )
    assert len(examples.embeddings) == 3 * EACH + 20


def test_many_old_labels_are_drawn(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OLD", 30)
    monkeypatch.setattr(module, "MOST_COMPARED", 12)
    school.judge(20)
    examples = read(school).examples
    assert np.bincount(examples.labels[: examples.old]).tolist() == [10, 10, 10]
    compared = examples.some(examples.compared)
    assert (compared.old, compared.judged) == (12, 20)
    assert compared.pictures[12:] == examples.pictures[30:]


def test_a_record_that_was_judged_counts_by_its_verdict(school: School) -> None:
    school.judge(20)
    run(
        school,
        "INSERT INTO verdict (id, record_id, concept_uri, said, instead_uri, user_id)"
        " VALUES (gen_random_uuid(), '/1/o0', :map, 'wrong', :toy, 1)",
        map=URIS[0],
        toy=URIS[2],
    )
    run(school, "UPDATE record SET data_provider = :museum WHERE id = '/1/o0'", museum=MUSEUM)
    run(
        school,
        "INSERT INTO picture_seen (record_id, source, url, sha256)"
        " SELECT record_id, 'thumbnail', 'http://x.example', decode(sha256, 'hex') FROM image"
        " WHERE record_id = '/1/o0'",
    )
    examples = read(school).examples
    assert (examples.old, examples.judged) == (3 * EACH - 1, 21)
    assert examples.labels[-1] == 2


def test_what_cannot_teach_is_counted(school: School) -> None:
    school.judge(20)
    run(school, "DELETE FROM picture_seen WHERE record_id = :id", id=school.records[0])
    run(school, "INSERT INTO concept (uri, label) VALUES ('http://x.example/new', 'new')")
    run(
        school,
        "UPDATE verdict SET instead_uri = 'http://x.example/new' WHERE record_id = :id",
        id=school.records[1],
    )
    found = read(school)
    assert (found.examples.judged, found.unknown, found.without_embedding) == (18, 1, 1)


def test_copies_of_a_picture_are_one_group(school: School) -> None:
    school.judge(20)
    run(
        school,
        "UPDATE picture_seen SET sha256 = (SELECT sha256 FROM picture_seen WHERE record_id = :one)"
        " WHERE record_id = :other",
        one=school.records[0],
        other=school.records[3],
    )
    examples = read(school).examples
    groups = examples.groups()[examples.old :]
    assert groups[0] == groups[3]


def test_too_few_verdicts_are_refused(school: School) -> None:
    school.judge(9)
    with pytest.raises(DatasetError, match="Only 9 verdicts on records .* You need at least 10"):
        read(school)


def test_verdicts_of_one_concept_only_are_refused(school: School) -> None:
    school.judge(60)
    run(school, "DELETE FROM verdict WHERE instead_uri <> :uri", uri=URIS[1])
    with pytest.raises(DatasetError, match="All 20 verdicts .* name the same concept"):
        read(school)


def test_old_labels_must_be_in_the_store(school: School) -> None:
    school.judge(20)
    with pytest.raises(DatasetError, match="trained on folder drawings, whose labels are not"):
        read(school, data="folder drawings")
    with pytest.raises(UsageError, match="There is no dataset 'gone'"):
        read(school, data="dataset gone")
    run(school, "DELETE FROM image")
    with pytest.raises(DatasetError, match="trained on dataset plain, but no embeddings are saved"):
        read(school)
