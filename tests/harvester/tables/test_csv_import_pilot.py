"""The tables of the pilot of 2021, which people made by hand."""

from collections import Counter

import pytest

from harvester.tables.fates import FATES, judge_rows
from tests.harvester.tables.judged import PILOT, VOCABULARY, found, report_of

pilot = pytest.mark.skipif(not PILOT.is_dir(), reason=f"the tables of the pilot are not in {PILOT}")


@pilot
@pytest.mark.parametrize(
    ("table", "counts", "records"),
    [
        ("eval_dataset.csv", (333, 86, 27), 417),
        ("eval_multilabel_with_URL.csv", (86, 114, 0), 200),
        ("multilabel_2000.csv", (2000, 0, 0), 1287),
        ("labelstudio_exported.csv", (1669, 0, 0), 1648),
    ],
)
def test_the_tables_of_the_pilot_lose_no_line(importer, table, counts, records):
    importer("import", str(PILOT / table), "--dataset", "p", "--report", "r.csv")
    lines = {row["line"]: row["fate"] for row in report_of(importer, "r.csv")}
    assert Counter(lines.values()) == Counter(dict(zip(FATES, counts, strict=True)))
    assert importer.rows("SELECT count(DISTINCT record_id) FROM dataset_item") == [(records,)]


# Looked up in the files by hand.
EVAL_LINES = {
    2: ("repaired", "URI portal URL"),
    4: ("taken",),  # its unnamed last column says "shoe"
    22: ("rejected", " empty row"),
    23: ("repaired", "URI portal URL"),
    25: ("taken",),
    43: ("rejected", " empty row"),
    44: ("taken",),
    86: ("repaired", "URI portal URL", "category stray spaces"),
    104: ("repaired", "category stray spaces"),
    170: ("rejected", " empty row"),
    171: ("rejected", "ID contradicts URI"),  # item_2D5I... and item_257Z...
    172: ("repaired", "URI portal URL"),
    181: ("taken",),
    211: ("rejected", "category misspelt label"),  # furniiture
    367: ("taken",),
    369: ("taken",),  # line 367 once more
    380: ("repaired", "URI portal URL", "category stray spaces"),
    441: ("taken",),
    442: ("rejected", " empty row"),
    444: ("rejected", "URI names no record"),  # "review summary"
    446: ("rejected", "URI names no record"),  # a remark on lines 446 and 447
    448: ("rejected", "URI names no record"),  # a remark on lines 448 to 451
}
MULTILABEL_LINES = {
    2: ("repaired", "URI portal URL"),
    3: ("taken",),
    51: ("repaired", "ID not in the form /dataset/local", "URI portal URL"),  # no first slash
    145: ("repaired", "ID cut short", "URI portal URL"),
    158: ("repaired", "URI unreadable"),  # https://www.europeana/9200579/bwfk3pct.eu/en/item/...
    198: ("repaired", "ID cut short", "URI portal URL"),  # to the same as line 145
}


@pilot
@pytest.mark.parametrize(
    ("table", "lines"),
    [("eval_dataset.csv", EVAL_LINES), ("eval_multilabel_with_URL.csv", MULTILABEL_LINES)],
)
def test_lines_looked_up_by_hand_have_the_fate_they_should(table, lines):
    judged = {row.line: found(row) for row in judge_rows(PILOT / table, VOCABULARY)}
    assert {line: judged[line] for line in lines} == lines


@pilot
def test_a_record_of_the_pilot_under_two_combinations_has_the_labels_of_both(importer):
    importer("import", str(PILOT / "multilabel_2000.csv"), "--dataset", "p", "--report", "r.csv")
    labels = importer.rows(
        "SELECT label FROM dataset_item JOIN concept ON uri = concept_uri"
        " WHERE record_id = '/154/S_JVM_photo_JvmKDAA11666' ORDER BY label"
    )
    assert labels == [("building",), ("map",), ("postcard",)]  # of lines 103 and 1893


@pilot
def test_a_table_of_something_else_is_refused(importer):
    ended = importer("import", str(PILOT / "uris_vocabularies.csv"), "--dataset", "p", exit_code=2)
    assert "Found: 'concept', 'getty_aat'" in ended.stderr
