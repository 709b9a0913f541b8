"""How the parts of a search advance."""

from hypothesis import given
from hypothesis import strategies as st

from harvester.records.position import SearchPosition

SIZES = st.lists(st.integers(0, 400), min_size=1, max_size=5)  # of what each part finds


def go_on(position, sizes, target, *, pages=-1):
    """Take pages, as a harvest does; each position is stored and read again."""
    while pages and (following := position.next_page(target)):
        number, rows = following
        assert rows > 0
        taken = position.parts[number].taken
        got = min(rows, sizes[number] - taken)
        cursor = None if got < rows else str(taken + got)
        after = position.after(number, cursor, got)
        position = SearchPosition.from_stored(*after.stored(), parts=len(sizes))
        assert position.taken == after.taken
        pages -= 1
    return position


@given(SIZES, st.integers(1, 1000))
def test_as_many_records_are_taken_as_are_asked_for_or_there_are(sizes, target) -> None:
    position = go_on(SearchPosition.at_start(len(sizes)), sizes, target)
    assert position.taken == min(target, sum(sizes))


@given(SIZES, st.integers(1, 1000), st.integers(0, 5))
def test_an_interrupted_search_ends_as_one_that_was_not(sizes, target, pages) -> None:
    start = SearchPosition.at_start(len(sizes))
    broken_off = go_on(start, sizes, target, pages=pages)
    assert go_on(broken_off, sizes, target) == go_on(start, sizes, target)


def test_every_part_gives_its_share() -> None:
    position = go_on(SearchPosition.at_start(3), [400, 10, 400], 110)
    assert [part.taken for part in position.parts] == [50, 10, 50]


def test_a_search_of_one_part_is_stored_as_it_always_was() -> None:
    assert go_on(SearchPosition.at_start(1), [400], 100).stored() == ("100", 100)
    assert go_on(SearchPosition.at_start(1), [40], 100).stored() == (None, 40)
