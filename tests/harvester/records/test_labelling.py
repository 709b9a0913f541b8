"""Which records enter a dataset, and with which labels."""

from dataclasses import replace

import pytest

from common.europeana.metadata import RecordMetadata
from common.vocabulary.plain import plain_vocabulary
from harvester.datasets.vocabulary import ChosenVocabulary
from harvester.records.labelling import Labelling, has_picture

MAP, TOY = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/2"
VOCABULARY = plain_vocabulary([("map", MAP), ("toy", TOY)])
GIVEN = ChosenVocabulary(content=VOCABULARY, name="drawn", source="a test")


@pytest.fixture
def record() -> RecordMetadata:
    return RecordMetadata(id="/1/a", concepts=(MAP, "http://example.org/other"))


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_concepts_outside_the_vocabulary_are_no_labels(record, mode):
    assert Labelling(GIVEN, mode).of_record(record) == {MAP}


def test_a_record_of_two_categories_enters_for_both_or_for_neither(record):
    both = replace(record, concepts=(MAP, TOY))
    assert Labelling(GIVEN, "multi").of_record(both) == {MAP, TOY}
    assert Labelling(GIVEN, "single").of_record(both) == frozenset()


def test_a_known_concept_counts_even_if_the_metadata_lack_it(record):
    assert Labelling(GIVEN).of_record(record, known=(TOY,)) == {MAP, TOY}
    assert Labelling(GIVEN, "single").of_record(record, known=(TOY,)) == frozenset()


def test_a_record_has_a_picture_if_it_has_a_file_or_a_thumbnail(record):
    assert not has_picture(record)
    assert has_picture(replace(record, media_url="http://x.org/a"))
    assert has_picture(replace(record, preview_url="http://x.org/b"))
