"""What concepts mean: pictures that reviewers confirmed, definitions and narrower concepts."""

from common.store.tables import VerdictKind
from common.vocabulary.concepts import VocabularyConcept
from desk.review import meanings
from desk.review.meanings import ConceptMeaning, meanings_of
from tests.desk.conftest import RECORDS
from tests.desk.museum import LABELS, MAP, PAINTING, VASE, Museum, narrower_than

RIGHT, WRONG, TOO_GENERAL = VerdictKind.RIGHT, VerdictKind.WRONG, VerdictKind.TOO_GENERAL


def below(parent: str, number: int) -> VocabularyConcept:
    name = f"{parent.rpartition('/')[2]}_{number}"
    return narrower_than(parent, f"http://example.org/{name}", name)


def asked(museum: Museum, *, but: tuple[str, ...] = (), languages: tuple[str, ...] = ()):
    (model,) = museum.rows("SELECT id FROM model")[0]
    with museum.engine.connect() as connection:
        return meanings_of(connection, model, LABELS, but=but, languages=languages)  # type: ignore[arg-type]


def confirmed(found: dict[str, ConceptMeaning], uri: str = MAP) -> list[str]:
    return [each.record_id for each in found[uri].pictures]


def test_without_verdicts_and_a_vocabulary_there_is_nothing_to_tell(filled: Museum) -> None:
    found = asked(filled)
    assert list(found) == list(LABELS)
    assert not any(each.is_told or each.narrower for each in found.values())


def test_the_five_newest_pictures_are_those_that_reviewers_call_right(filled: Museum) -> None:
    for record_id in RECORDS[:8]:
        filled.say("Ann", record_id, MAP, RIGHT)
    filled.say("Bob", RECORDS[7], MAP, WRONG)
    filled.say("Bob", RECORDS[6], MAP, RIGHT)
    filled.say("Ann", RECORDS[5], MAP, TOO_GENERAL)
    filled.say("Ann", RECORDS[8], PAINTING, WRONG, instead=MAP)
    expected = [RECORDS[place] for place in (8, 6, 4, 3, 2)]
    assert confirmed(asked(filled)) == expected
    assert confirmed(asked(filled, but=(RECORDS[8],))) == [*expected[1:], RECORDS[1]]
    assert confirmed(asked(filled), PAINTING) == []


def test_the_definition_is_in_the_language_of_the_reader(filled: Museum) -> None:
    definitions = {"en": "An image of a place.", "de": "Das Abbild eines Ortes."}
    concept = VocabularyConcept(
        uri=MAP, category="map", labels={"en": "map"}, definitions=definitions
    )
    filled.vocabulary(concept)
    assert asked(filled)[MAP].definition == definitions["en"]
    assert asked(filled, languages=("fr", "de"))[MAP].definition == definitions["de"]
    assert asked(filled)[PAINTING].definition == ""


def test_narrower_concepts_are_nine_at_most_and_children_come_first(filled: Museum) -> None:
    tops = [
        VocabularyConcept(uri=uri, category=label, labels={"en": label})
        for uri, label in LABELS.items()
    ]
    maps = [below(MAP, number) for number in range(7)]
    lower = [below(maps[0].uri, number) for number in range(4)]
    vases = [below(VASE, number) for number in range(9)]
    filled.vocabulary(*tops, *maps, *lower, *vases, below(vases[0].uri, 1))
    found = asked(filled)
    assert list(found[MAP].narrower) == [each.uri for each in [*maps, *lower[:2]]]
    assert list(found[VASE].narrower.values()) == [f"31_{number}" for number in range(9)]
    assert found[PAINTING].narrower == {}


def test_many_verdicts_are_not_read_to_find_five(filled: Museum) -> None:
    numbers = "generate_series(1, 20000) AS number"
    filled.execute(f"INSERT INTO record (id) SELECT '/9/' || number FROM {numbers}")
    filled.execute(
        "INSERT INTO verdict (id, record_id, concept_uri, said, user_id)"
        f" SELECT gen_random_uuid(), '/9/' || number, :uri, 'right', :user FROM {numbers}",
        uri=MAP,
        user=filled.user(),
    )
    filled.execute("ANALYZE verdict")
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {meanings._CONFIRMED.text}"
    ((found,),) = filled.rows(explain, uris=list(LABELS), but=[])
    (explained,) = found  # type: ignore[misc]
    read = sum(explained["Plan"][f"Shared {each} Blocks"] for each in ("Hit", "Read"))
    assert read < 250  # the table has twice as many
