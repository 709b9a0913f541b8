import pytest

from desk.steering.throughput import MOST_BARS, throughput
from tests.desk.museum import Museum

SETTLE = """
    UPDATE job_chunk SET settled_at = timestamptz '2026-01-01' + make_interval(secs => :at)
    WHERE number = :number
"""


@pytest.fixture
def job(museum: Museum):
    return museum.job(museum.model(), ["/1/a"] * 100, ["/1/b"] * 50, ["/1/c"] * 200)


def plot_of(museum, job):
    with museum.engine.connect() as connection:
        return throughput(connection, job)


def test_a_long_time_is_divided_into_equal_parts(museum, job):
    for number, at in ((1, 0), (2, 599), (3, 600)):
        museum.execute(SETTLE, number=number, at=at)
    plot = plot_of(museum, job)
    assert plot.seconds == 600
    assert [round(each.place) for each in plot.bars] == [0, round(100 * 59 / MOST_BARS)]
    assert [each.rate for each in plot.bars] == [10, 25]  # 10 seconds a part
    assert [each.height for each in plot.bars] == [40, 100]


def test_a_part_is_a_second_or_more(museum, job):
    for number, at in ((1, 0), (2, 0.2), (3, 2.9)):
        museum.execute(SETTLE, number=number, at=at)
    plot = plot_of(museum, job)
    assert [each.rate for each in plot.bars] == [150, 200]
    assert plot.seconds == 3


def test_chunks_settled_at_once_are_one_part(museum, job):
    museum.execute("UPDATE job_chunk SET settled_at = '2026-01-01'")
    assert [each.rate for each in plot_of(museum, job).bars] == [350]


def test_there_is_none_before_a_chunk_is_settled(museum, job):
    museum.execute("UPDATE job_chunk SET state = 'ready', settled_at = NULL")
    assert plot_of(museum, job) is None
