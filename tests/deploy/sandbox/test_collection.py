"""The drawn collection: the same every time, varied, partly broken, cheap in large numbers."""

import io
import tracemalloc
from collections import Counter

import pytest
from PIL import Image

from deploy.sandbox.collection import CATEGORIES, draw_collection
from deploy.sandbox.drawings.picture import draw_picture

COLLECTION = draw_collection()


def test_every_category_has_the_same_share() -> None:
    first = Counter(item.concepts[0] for item in COLLECTION.items)
    assert first == {category.concept: 150 for category in CATEGORIES.values()}


def test_a_larger_collection_begins_with_the_smaller_one() -> None:
    assert draw_collection(items=50).items == COLLECTION.items[:50]
    assert draw_collection(items=50, seed=2).items != COLLECTION.items[:50]


def test_two_or_three_of_a_hundred_files_are_broken() -> None:
    assert 0.02 <= len(COLLECTION.broken) / len(COLLECTION.items) <= 0.03
    kinds = Counter(fault.kind for fault in COLLECTION.broken.values())
    assert kinds == {"status": 18, "html": 3, "truncated": 3}


def test_some_records_are_special() -> None:
    items = COLLECTION.items
    assert sum(item.type == "TEXT" for item in items) == 6
    assert sum(not item.shown_by for item in items) == 6
    assert sum(len(item.concepts) == 2 for item in items) == 12
    assert all(len(set(item.concepts)) == len(item.concepts) for item in items)


def test_former_records_are_not_among_the_items() -> None:
    assert len(COLLECTION.moved) == len(COLLECTION.deleted) == 3
    for old, new in COLLECTION.moved.items():
        assert COLLECTION.find(old) is None
        assert COLLECTION.find(new) is not None
    assert all(COLLECTION.find(record_id) is None for record_id in COLLECTION.deleted)


def test_one_host_has_most_pictures_but_not_all() -> None:
    shares = Counter(item.host for item in COLLECTION.items)
    assert len(shares) == 7
    assert 0.2 < shares.most_common(1)[0][1] / len(COLLECTION.items) < 0.35


def test_large_collections_cost_little_and_show_pictures_again() -> None:
    tracemalloc.start()
    large = draw_collection(items=5_000)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(large.items) < 600  # bytes an item
    assert len({item.picture for item in large.items}) == 6 * 150


@pytest.mark.parametrize("category", CATEGORIES)
def test_pictures_are_the_same_every_time_and_all_different(category: str) -> None:
    first = draw_picture(category, 0, 1)
    draw_picture.cache_clear()
    assert draw_picture(category, 0, 1) == first
    others = [draw_picture(category, number, 1) for number in range(1, 4)]
    others.append(draw_picture(category, 0, 2))
    assert len({first, *others}) == 5
    for content in others:
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == "JPEG"
            assert 240 <= min(image.size) <= max(image.size) <= 640
