"""Labels as people spell them."""

import pytest

from harvester.tables.label_spelling import LabelReader
from tests.harvester.tables.judged import VOCABULARY


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("clothing ", ["clothing"]),
        ("Archaeological Site", ["archaeological_site"]),
        ("costume-accessories", ["costume_accessories"]),
        ("map costume accessories toy", ["map", "costume_accessories", "toy"]),
        ("archeological site", ["archaeological_site"]),
        ("tapestries, maps;toys", ["tapestry", "map", "toy"]),
        ("ceramic", ["ceramics"]),
        ("jewelry", ["jewellery"]),
        ("furniiture", ["furniture"]),
        ("painting painting", ["painting"]),
        ("boy", []),
        ("cap", []),
        ("gun", []),
        ("map gun", []),
        ("x" * 3000, []),
    ],
)
def test_labels_are_recognised_only_where_there_is_no_doubt(written, labels):
    reading = LabelReader(VOCABULARY).read(written)
    assert list(reading.labels) == labels
    assert bool(reading.problem) == (not labels)


def test_a_label_equally_near_to_two_is_neither():
    reading = LabelReader(["printing", "painting"]).read("pginting")
    assert reading.problem.endswith("and could be any of painting, printing")


SPELLINGS = {
    "cup (A.B.)": {"cup_a_b"},
    "children's_books": {"children_s_books"},
    "C++": {"c"},
    "map": {"map", "map_2f6a"},
    "1_1": {"scale_1_1", "aspect_1_1"},
}


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("cup (A.B.)", ["cup_a_b"]),
        ("Cup_(a.b.)", ["cup_a_b"]),
        ("children's books", ["children_s_books"]),
        ("C++", ["c"]),
        ("map", ["map"]),
        ("Maps", []),
        ("1 1", []),
    ],
)
def test_a_spelling_may_have_signs_and_is_refused_where_it_means_several_concepts(written, labels):
    categories = [*sorted(set.union(*SPELLINGS.values())), "toy"]
    reading = LabelReader(categories, also=SPELLINGS).read(written)
    assert list(reading.labels) == labels
    assert ("could be any of" in reading.problem) == (not labels)
