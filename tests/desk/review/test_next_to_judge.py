"""What to judge next: records at random, the same ones when the page is loaded again."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.store.tables import VerdictKind
from desk.review.next_to_judge import next_to_judge
from tests.desk.museum import DIMENSION, MAP, Museum

ROOT = Path(__file__).resolve().parents[3]
RECORDS = [f"/1/r{number:02}" for number in range(40)]


@pytest.fixture
def encoder(museum: Museum) -> int:
    museum.records("A museum", *RECORDS)
    museum.records("Another", "/1/other")
    encoder = museum.encoder(museum.model())
    museum.embed(encoder, dict.fromkeys([*RECORDS, "/1/other"], [1.0] * DIMENSION))
    return encoder


def chosen(museum: Museum, encoder: int, count: int = 5) -> list[str]:
    with museum.engine.connect() as connection:
        return next_to_judge(connection, encoder, data_provider="A museum", count=count)


def test_records_are_drawn_once_and_the_same_ones_again(museum: Museum, encoder: int) -> None:
    found = chosen(museum, encoder)
    assert len(set(found)) == 5
    assert found != RECORDS[:5]
    assert chosen(museum, encoder) == found
    assert sorted(chosen(museum, encoder, count=99)) == RECORDS


def test_what_was_judged_makes_room_for_the_next(museum: Museum, encoder: int) -> None:
    first, *others = chosen(museum, encoder)
    museum.say("one", first, MAP, VerdictKind.RIGHT)
    assert chosen(museum, encoder)[:4] == others


def test_what_an_open_audit_drew_is_left_to_it(museum: Museum, encoder: int) -> None:
    museum.user()
    museum.execute(
        "WITH made AS (INSERT INTO audit (model_id, thresholds, rows, sample, attempt, error,"
        " drawn_by) SELECT max(model.id), '{}', 9, 9, 1, 0.025, max(desk_user.id)"
        " FROM model, desk_user RETURNING id)"
        " INSERT INTO audit_draw SELECT made.id, row_number() OVER (), record.id, :concept, 'x'"
        " FROM made, record WHERE record.id <> ALL(:left)",
        concept=MAP,
        left=RECORDS[:3],
    )
    assert sorted(chosen(museum, encoder, count=9)) == RECORDS[:3]


def test_a_provider_without_seen_pictures_has_nothing_to_judge(museum: Museum) -> None:
    museum.records("A museum", *RECORDS)
    encoder = museum.encoder(museum.model())
    assert chosen(museum, encoder) == []


def test_choosing_and_renewing_load_no_torch() -> None:
    program = (
        "import sys, desk.review.next_to_judge, desk.review.thoughts, desk.teaching.renewal;"
        "sys.exit('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 0
