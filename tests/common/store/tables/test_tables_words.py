"""The SQL of the services spells states and the like as the enums do."""

import re
from pathlib import Path

import pytest

from common.store.tables import (
    ChunkState,
    ImageState,
    JobState,
    Judgement,
    ModelStage,
    PictureChoice,
    PictureSource,
    Priority,
)

ROOT = Path(__file__).resolve().parents[4]
WORDS = {
    "state": {*JobState, *ChunkState, *ImageState},
    "priority": {*Priority},
    "picture": {*PictureChoice},
    "verdict": {*Judgement},
    "stage": {*ModelStage, "fetch"},  # the stage of a failure, in worker/jobs/progress.py
    "image.source": {*PictureSource},
}
COMPARED = re.compile(
    r"\b(image\.source|state|priority|picture|verdict|stage) "
    r"(?:=|<>|(?:NOT )?IN|WHEN|CASE WHEN) \(?('[a-z]+'(?:, '[a-z]+')*)"
)
MODULES = [
    path for tower in ("worker", "harvester") for path in sorted((ROOT / tower).rglob("*.py"))
]


def words_of(sql: str) -> list[tuple[str, str]]:
    return [
        (column, word)
        for column, listed in COMPARED.findall(sql)
        for word in re.findall("'([a-z]+)'", listed)
    ]


def test_the_words_of_a_statement_are_found():
    found = words_of("job.state NOT IN ('running', 'paused') AND priority = 'urgent'")
    assert found == [("state", "running"), ("state", "paused"), ("priority", "urgent")]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_word_that_a_statement_compares_is_one_of_the_enum(module):
    strangers = [
        (column, word) for column, word in words_of(module.read_text()) if word not in WORDS[column]
    ]
    assert strangers == []


def test_there_are_such_statements():
    assert sum(len(words_of(module.read_text())) for module in MODULES) > 30
