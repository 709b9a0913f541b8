"""Two vocabularies over the same concepts, with other labels and languages, in one store.

Whatever is done with one, the other's commands print and export what they did before.
"""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from common.vocabulary.languages import READER
from desk.review.choices import labels_of
from desk.review.suggestions import suggestions_of_record
from harvester.cli import app as harvester
from tests.desk.museum import MAP, PAINTING, Museum
from worker.cli import app as worker

OTHER = "http://example.org/concept/other"
URIS = (MAP, PAINTING, OTHER)
WORDS = st.sampled_from(["Karte", "χάρτης", "карта", "map", "painting", "céramique", "Mapa (2)"])
LABELS = st.dictionaries(st.sampled_from(["", "de", "el", "bg"]), WORDS, min_size=1)
ACTIONS = st.one_of(
    st.tuples(st.just("import"), st.tuples(LABELS, LABELS, LABELS)),
    st.tuples(st.sampled_from(["table", "model", "merge", "remove", "read"]), st.none()),
)


def run(app, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code in codes, done.output
    return str(done.stdout)


def turtle(labels) -> str:
    """The concepts; a label that another has already gets a number."""
    seen: set[tuple[str, str]] = set()
    lines = ["@prefix skos: <http://www.w3.org/2004/02/skos/core#> ."]
    for place, (uri, by_language) in enumerate(zip(URIS, labels, strict=True)):
        for language, word in by_language.items():
            label = f"{word} {place}" if (language, word.casefold()) in seen else word
            seen.add((language, word.casefold()))
            tag = f"@{language}" if language else ""
            lines.append(f'<{uri}> a skos:Concept ; skos:prefLabel "{label}"{tag} .')
    return "\n".join(lines)


class Ours:
    """The vocabulary `ours`, with a dataset and a model, and what is seen of it."""

    def __init__(self, museum: Museum, folder: Path) -> None:
        self.museum, self.folder = museum, folder
        labels = ({"en": "map", "el": "χάρτης"}, {"en": "painting", "lv": "glezna"}, {"": "other"})
        (folder / "ours.ttl").write_text(turtle(labels))
        run(harvester, "vocabulary", "import", str(folder / "ours.ttl"))
        self.table("ours")
        self.use("ours", "test")

    def table(self, name: str) -> None:
        """A dataset of the vocabulary's name."""
        table = self.folder / f"{name}.csv"
        table.write_text(f"skos_concept,ID\n{MAP},/1/a\n{PAINTING},/1/b\n{OTHER},/1/c\n")
        given = ("--dataset", name, "--vocabulary", name, "--rename-labels")
        run(harvester, "import", str(table), *given, "--report", str(self.folder / "report.csv"))

    def use(self, name: str, model: str) -> None:
        self.museum.execute(
            "UPDATE model SET vocabulary_id = (SELECT max(id) FROM vocabulary WHERE name = :name)"
            " WHERE name = :model",
            name=name,
            model=model,
        )

    def seen(self) -> list[object]:
        file = self.folder / "out"
        exports = [
            run(worker, "export", "--model", "test", f"{file}{end}", "--force", "--lang", "el")
            and file.with_suffix(end).read_bytes()
            for end in (".csv", ".jsonl", ".rdf")
        ]
        listed = json.loads(run(harvester, "vocabulary", "list", "--json"))
        return [
            run(harvester, "vocabulary", "show", "ours", "--lang", "el"),
            run(harvester, "vocabulary", "show", "ours", "--json"),
            run(harvester, "vocabulary", "export", "ours", "-"),
            [each for each in listed if each["name"] == "ours"],
            run(harvester, "datasets", "show", "ours", "--lang", "el"),
            run(harvester, "export", "--dataset", "ours", "-"),
            exports,
            self.at_the_desk(),
        ]

    def at_the_desk(self) -> list[object]:
        READER.set(("el",))
        with self.museum.engine.connect() as connection:
            (model,) = self.museum.rows("SELECT id FROM model WHERE name = 'test'")
            records = [row[0] for row in self.museum.rows("SELECT id FROM record ORDER BY id")]
            found = [suggestions_of_record(connection, each) for each in records]
            return [found, labels_of(connection, URIS, model_id=model[0])]


@pytest.fixture
def ours(filled: Museum, tmp_path: Path) -> Ours:
    filled.model(name="theirs")
    return Ours(filled, tmp_path)


def act(ours: Ours, action: str, labels) -> None:
    """Something that is done with the vocabulary `theirs`."""
    file = ours.folder / "theirs.ttl"
    if labels is not None or not file.exists():
        file.write_text(turtle(labels or ({"de": "Karte"}, {"de": "Gemälde"}, {"de": "Rest"})))
        run(harvester, "vocabulary", "import", str(file))
    if action == "table":
        ours.table("theirs")
    elif action == "model":
        ours.use("theirs", "theirs")
    elif action == "merge":
        run(harvester, "datasets", "remove", "both", "--yes", codes=(0, 2))
        run(harvester, "datasets", "merge", "ours", "theirs", "--dataset", "both", codes=(0, 2))
    elif action == "remove":
        run(harvester, "datasets", "remove", "theirs", "--yes", codes=(0, 2))
    elif action == "read":
        run(harvester, "vocabulary", "diff", "theirs", "ours")
        run(
            harvester, "vocabulary", "export", "theirs", str(ours.folder / "copy.jsonld"), "--force"
        )


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=1, max_size=4))
def test_no_command_on_one_changes_what_the_other_prints_or_exports(ours: Ours, actions) -> None:
    before = ours.seen()
    for action, labels in actions:
        act(ours, action, labels)
    assert ours.seen() == before
