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
