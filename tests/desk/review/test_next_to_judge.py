"""What to judge next: typical records, the same ones when the page is loaded again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.store.tables import VerdictKind
from desk.review.next_to_judge import POOL, next_to_judge, typical
from tests.desk.museum import DIMENSION, MAP, Museum

ROOT = Path(__file__).resolve().parents[3]
RECORDS = [f"/1/r{number:02}" for number in range(40)]


GROUPS = {"large": 20, "middle": 12, "small": 8}
GROUP_OF = dict(
    zip(RECORDS, (name for name, size in GROUPS.items() for _ in range(size)), strict=True)
)


@pytest.fixture
def encoder(museum: Museum) -> int:
    """One that has seen three groups of pictures, each around an axis of its own."""
    museum.records("A museum", *RECORDS)
    museum.records("Another", "/1/other")
    encoder = museum.encoder(museum.model())
    chance = np.random.default_rng(0)
    places = np.eye(DIMENSION)[[[*GROUPS].index(GROUP_OF[each]) for each in RECORDS]]
    near = places + 0.05 * chance.normal(size=places.shape)
    museum.embed(encoder, dict(zip(RECORDS, near, strict=True)) | {"/1/other": near[0]})
    return encoder


def chosen(museum: Museum, encoder: int, count: int = 5) -> list[str]:
    with museum.engine.connect() as connection:
        return next_to_judge(connection, encoder, data_provider="A museum", count=count)


def test_each_group_has_a_record_first_and_the_largest_group_begins(
    museum: Museum, encoder: int
) -> None:
    assert [GROUP_OF[each] for each in chosen(museum, encoder, count=3)] == [*GROUPS]


def test_records_are_chosen_once_and_the_same_ones_again(museum: Museum, encoder: int) -> None:
    found = chosen(museum, encoder)
    assert len(set(found)) == 5
    assert chosen(museum, encoder) == found
    assert sorted(chosen(museum, encoder, count=99)) == RECORDS


def test_what_was_judged_is_left_out_and_changes_no_order(museum: Museum, encoder: int) -> None:
    first, second, *others = chosen(museum, encoder, count=40)
    museum.say("one", second, MAP, VerdictKind.RIGHT)
    assert chosen(museum, encoder, count=40) == [first, *others]


def test_records_beyond_those_that_are_compared_come_last_in_the_order_of_the_draw(
    museum: Museum, encoder: int
) -> None:
    more = [f"/2/r{number}" for number in range(POOL)]
    museum.execute(
        "INSERT INTO record (id, data_provider, media_url)"
        " SELECT id, 'A museum', 'https://museum.example' FROM unnest(CAST(:more AS text[])) AS id",
        more=more,
    )
    museum.embed(encoder, dict.fromkeys(more, [1.0] * DIMENSION))
    drawn = museum.rows(
        "SELECT id FROM record WHERE data_provider = 'A museum' ORDER BY hashtextextended(id, 0)"
    )
    found = chosen(museum, encoder, count=POOL + len(RECORDS))
    assert sorted(found) == sorted([*RECORDS, *more])
    assert found[POOL:] == [record_id for (record_id,) in drawn[POOL:]]


@pytest.mark.parametrize("vector", [[0, 0], [0.3, 0.7]], ids=["zero", "the same"])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_pictures_that_nothing_tells_apart_are_chosen_once_each(
    vector: list[float], count: int
) -> None:
    assert sorted(typical([np.array(vector, dtype=np.float16)] * count)) == [*range(count)]


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
        "import sys, desk.review.next_to_judge, desk.review.thoughts, desk.steering.renewal;"
        "sys.exit('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 0
