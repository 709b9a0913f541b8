import hashlib
import sys
from collections import Counter

import pytest
from PIL import Image as Picture

from common.store.bulk import upsert
from common.store.tables import Concept, DatasetItem, Image, Record
from harvester.datasets.operations import ensure_dataset
from tests.common.store.verdict_rows import add_people, say

LABELS = ("map", "toy", "painting")
CONCEPTS = {label: f"http://data.europeana.eu/concept/{n}" for n, label in enumerate(LABELS, 1)}
CC_BY = "http://creativecommons.org/licenses/by/4.0/"
IN_COPYRIGHT = "http://rightsstatements.org/vocab/InC/1.0/"


def store(
    harvester, name: str, labels: dict[str, str], *, source: str = "csv", concepts=CONCEPTS
) -> None:
    """A dataset of records (ID to labels, joined by spaces)."""
    items = [(id_, label) for id_, joined in labels.items() for label in joined.split()]
    with harvester.engine.begin() as connection:
        upsert(connection, Concept.__table__, ("label", "uri"), concepts.items())
        upsert(connection, Record.__table__, ("id",), [(record_id,) for record_id in labels])
        number = ensure_dataset(connection, name)
        rows = [(number, record_id, concepts[label], source) for record_id, label in items]
        columns = ("dataset_id", "record_id", "concept_uri", "source")
        upsert(connection, DatasetItem.__table__, columns, rows)


def labels_of(harvester, name: str) -> dict[object, object]:
    """The records of a dataset and their labels, joined by spaces."""
    return dict(
        harvester.rows(
            "SELECT record_id, string_agg(label, ' ' ORDER BY label) FROM dataset_item"
            " JOIN concept ON uri = concept_uri JOIN dataset ON dataset.id = dataset_id"
            f" WHERE name = '{name}' GROUP BY 1"
        )
    )


def names(harvester) -> list[object]:
    return [name for (name,) in harvester.rows("SELECT name FROM dataset ORDER BY name")]


@pytest.fixture
def pair(harvester):
    """Two datasets that have a record in common, under different labels."""
    store(harvester, "a", {"/1/a": "map", "/1/b": "map toy", "/1/c": "toy"}, source="search")
    store(harvester, "b", {"/1/b": "map painting", "/1/d": "painting"})
    return harvester


def test_merging_unites_the_labels_of_a_record_in_both(pair):
    shown = pair("datasets", "merge", "a", "b", "--dataset", "c").stdout
    assert shown == "Dataset c has 4 records.\n"
    assert labels_of(pair, "c") == {
        "/1/a": "map",
        "/1/b": "map painting toy",
        "/1/c": "toy",
        "/1/d": "painting",
    }
    sources = dict(
        pair.rows(
            "SELECT concept_uri, source FROM dataset_item"
            " WHERE dataset_id = 3 AND record_id = '/1/b'"
        )
    )
    assert sources == {
        CONCEPTS["map"]: "search",
        CONCEPTS["toy"]: "search",
        CONCEPTS["painting"]: "csv",
    }


def test_subtracting_leaves_out_records_whatever_their_labels(pair):
    assert "has 2 records" in pair("datasets", "subtract", "a", "b", "--dataset", "c").stdout
    assert labels_of(pair, "c") == {"/1/a": "map", "/1/c": "toy"}
    assert labels_of(pair, "a")["/1/b"] == "map toy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("merge", "a", "b", "--dataset", "b"), "A dataset 'b' already exists. Choose another"),
        (("subtract", "a", "b", "--dataset", "a"), "A dataset 'a' already exists"),
        (("merge", "a", "x", "--dataset", "c"), "There is no dataset 'x'; there are: a, b."),
        (("remove", "x"), "There is no dataset 'x'; there are: a, b."),
        (("show", "x"), "There is no dataset 'x'; there are: a, b."),
        (("merge", "a", "b", "--dataset", "c d"), "'c d' cannot be the name of a dataset"),
        (("show", "a", "--plot", "a.svg"), "a.svg must end in .png"),
        (
            ("split", "a", "--fractions", "0.5,0.5", "--names", "c,b"),
            "A dataset 'b' already exists",
        ),
        (
            ("split", "a", "--fractions", "0.5,0.4", "--names", "c,d"),
            "their sum must be 1. You gave: 0.5, 0.4",
        ),
        (("split", "a", "--fractions", "1.5,-0.5", "--names", "c,d"), "must be above 0"),
        (("split", "a", "--fractions", "NaN,0.5", "--names", "c,d"), "numbers such as 0.8,0.2"),
        (("split", "a", "--fractions", "sNaN,1", "--names", "c,d"), "numbers such as 0.8,0.2"),
        (("split", "a", "--fractions", "most,few", "--names", "c,d"), "numbers such as 0.8,0.2"),
        (("split", "a", "--fractions", "0.5,0.5", "--names", "c,c"), "all names must be different"),
        (("split", "a", "--fractions", "1", "--names", "c,d"), "number of --fractions and --names"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(pair, arguments, message):
    before = pair.rows("SELECT * FROM dataset_item")
    ended = pair("datasets", *arguments, exit_code=2)
    assert message in ended.stderr
    assert (names(pair), pair.rows("SELECT * FROM dataset_item")) == (["a", "b"], before)


@pytest.fixture
def many(harvester):
    """A dataset of 1,000 records: sets of labels of 700, 207 and 90 records, and three of one."""
    sizes = {"map": 700, "toy": 207, "map toy": 90}
    strata = [labels for labels, size in sizes.items() for _ in range(size)]
    strata += ["painting", "painting toy", "map painting"]
    store(harvester, "all", {f"/{n % 7}/{n}": labels for n, labels in enumerate(strata)})
    return harvester


def test_a_split_has_exact_sizes_and_keeps_the_proportions_of_label_sets(many):
    arguments = ("split", "all", "--fractions", "0.7,0.2,0.1", "--names", "x,y,z", "--seed", "1")
    many("datasets", *arguments)
    parts = [labels_of(many, name) for name in "xyz"]
    assert [len(part) for part in parts] == [700, 200, 100]
    assert {record: each for part in parts for record, each in part.items()} == labels_of(
        many, "all"
    )
    for part, fraction in zip(parts, (0.7, 0.2, 0.1), strict=True):
        counts = Counter(part.values())
        for labels, size in (("map", 700), ("toy", 207), ("map toy", 90)):
            assert abs(counts[labels] - size * fraction) <= 2


def test_a_split_is_the_same_for_the_same_seed_and_another_for_another(many):
    for name, seed in (("x1", "1"), ("y1", "1"), ("x2", "2")):
        options = ("--fractions", "0.5,0.5", "--names", f"{name},{name}_rest", "--seed", seed)
        many("datasets", "split", "all", *options)
    assert labels_of(many, "x1") == labels_of(many, "y1")
    common = labels_of(many, "x1").keys() & labels_of(many, "x2").keys()
    assert 200 < len(common) < 300


def test_label_sets_of_one_record_fall_to_the_parts_by_chance(harvester):
    labels = [f"label_{number}" for number in range(200)]
    concepts = {label: f"http://x.org/{label}" for label in labels}
    store(harvester, "all", {f"/1/{label}": label for label in labels}, concepts=concepts)
    harvester("datasets", "split", "all", "--fractions", "0.8,0.2", "--names", "x,y")
    assert [len(labels_of(harvester, name)) for name in "xy"] == [160, 40]
    order = sorted(labels_of(harvester, "all"))
    chosen = [order.index(record_id) for record_id in labels_of(harvester, "y")]
    assert sum(place < 100 for place in chosen) in range(8, 33)


def test_removing_a_dataset_keeps_its_records(pair):
    assert (
        "Removed dataset a. Its 3 records stay" in pair("datasets", "remove", "a", "--yes").stdout
    )
    assert names(pair) == ["b"]
    assert pair.rows("SELECT count(*) FROM record") == [(4,)]


def test_nothing_is_removed_without_a_yes(pair):
    refused = pair("datasets", "remove", "a", exit_code=2)
    assert "Remove dataset a with its labels of 3 records? This is not a terminal" in refused.stderr
    assert names(pair) == ["a", "b"]


def test_the_list_has_each_dataset_with_its_numbers(pair):
    store(pair, "empty", {})
    lines = pair("datasets", "list").stdout.splitlines()
    cells = [line.split()[:4] for line in lines]
    for expected in (["a", "3", "2", "0"], ["b", "2", "2", "0"], ["empty", "0", "0", "0"]):
        assert expected in cells


@pytest.fixture
def described(pair):
    """Providers, rights and pictures for some of the records."""
    sha256 = hashlib.sha256(b"").hexdigest()
    with pair.engine.begin() as connection:
        records = [("/1/a", "[b]useum 北", CC_BY), ("/1/b", "Museum $x$", IN_COPYRIGHT)]
        columns = ("id", "data_provider", "rights")
        upsert(connection, Record.__table__, columns, records, update=columns[1:])
        columns = ("record_id", "state", "reason", "sha256", "path", "width", "height", "source")
        images = [
            ("/1/a", "stored", None, sha256, "a.jpg", 1, 1, "thumbnail"),
            ("/1/b", "failed", "http_404", None, None, None, None, None),
        ]
        upsert(connection, Image.__table__, columns, images)
    return pair


def test_a_dataset_is_shown_by_category_provider_rights_and_picture(described):
    lines = described("datasets", "show", "a").stdout.splitlines()
    assert lines[0] == "a: 3 records"
    for expected in (
        "map 2 66.7%",
        "toy 2 66.7%",
        "[b]useum 北 1 33.3%",
        "Museum $x$ 1 33.3%",
        "not harvested yet 1 33.3%",
        "open 1 33.3%",
        "permission 1 33.3%",
        "stored, thumbnail 1 33.3%",
        "failed, http_404 1 33.3%",
        "not yet tried 1 33.3%",
    ):
        assert expected.split() in [line.split() for line in lines]


def test_a_dataset_is_drawn_as_a_picture_even_an_empty_one(described):
    store(described, "empty", {})
    for name in ("a", "empty"):
        described("datasets", "show", name, "--plot", f"{name}.png")
        with Picture.open(described.folder / f"{name}.png") as picture:
            assert picture.format == "PNG"
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_without_matplotlib_the_extra_to_install_is_named(described, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ended = described("datasets", "show", "a", "--plot", "a.png", exit_code=2)
    assert "pip install 'europeana-image-enrichment[plot]'" in ended.stderr


HOSTILE = "Mus\x1b]0;owned\x07eum\x1b[2J [/x] \u202elive"


def test_names_of_strangers_order_nothing_on_a_terminal(harvester):
    store(harvester, "a", {"/1/a": "map"})
    with harvester.engine.begin() as connection:
        url = "https://h\x1b[2Jost[blink]/a.jpg"
        columns = ("id", "data_provider", "rights", "media_url")
        rows = [("/1/a", HOSTILE, HOSTILE, url)]
        upsert(connection, Record.__table__, columns, rows, update=columns[1:])
    shown = harvester("datasets", "show", "a").stdout
    assert r"Mus\x1b]0;owned\x07eum\x1b[2J [/x] \u202elive" in shown
    shown += harvester("images", "--dataset", "a", "--report").stdout
    assert r"h\x1b[2jost[blink]" in shown
    assert not any(sign in shown for sign in "\x1b\x07\u202e")


@pytest.fixture
def judged(harvester):
    """Three records of two data providers with verdicts, one of them disputed."""
    with harvester.engine.begin() as connection:
        add_people(connection)
        say(connection, "/1/a", "map")
        say(connection, "/1/b", "map", "wrong", instead="toy")
        say(connection, "/1/c", "map", provider="Attic")
        say(connection, "/1/d", "map")
        say(connection, "/1/d", "map", "wrong", by=2)


@pytest.mark.usefixtures("judged")
def test_verdicts_become_a_dataset(harvester):
    result = harvester("datasets", "from-verdicts", "judged")
    assert result.exit_code == 0, result.output
    assert labels_of(harvester, "judged") == {"/1/a": "map", "/1/b": "toy", "/1/c": "map"}
    assert "Dataset judged has 3 records." in result.output
    assert "Left out: 1 records on which reviewers disagree." in result.output
    assert harvester.rows("SELECT DISTINCT source, weight FROM dataset_item") == [("verdict", 10.0)]


@pytest.mark.usefixtures("judged")
def test_verdicts_of_one_data_provider_become_a_dataset(harvester):
    harvester("datasets", "from-verdicts", "attic", "--data-provider", "Attic")
    assert labels_of(harvester, "attic") == {"/1/c": "map"}
    nobody = ("from-verdicts", "none", "--data-provider", "Nobody")
    refused = harvester("datasets", *nobody, exit_code=2)
    assert "No record of Nobody has a label from a verdict" in refused.output
    assert names(harvester) == ["attic"]


@pytest.mark.usefixtures("judged", "pair")
def test_labels_keep_their_weight_in_other_datasets(harvester):
    harvester("datasets", "from-verdicts", "judged")
    harvester("datasets", "subtract", "judged", "b", "--dataset", "rest")
    harvester("datasets", "merge", "rest", "b", "--dataset", "both")
    harvester("datasets", "split", "rest", "--fractions", "1", "--names", "part")
    rows = harvester.rows(
        "SELECT dataset.name, max(weight) FROM dataset_item JOIN dataset ON dataset.id = dataset_id"
        " WHERE dataset.name IN ('both', 'rest', 'part') GROUP BY 1 ORDER BY 1"
    )
    assert rows == [("both", 10.0), ("part", 10.0), ("rest", 10.0)]
