"""Which model answers for a record."""

from worker.ledger.routes import Routes


def test_a_provider_has_its_model_however_it_is_spelt_and_all_others_the_usual_one() -> None:
    routes = Routes(model_id=1, by_provider={"Uffi zi": 2, "Prado": 3})
    asked = ("Uffi zi", "Uffi\n zi ", "Prado", "Louvre", "")
    assert [routes.model_of(each) for each in asked] == [2, 2, 3, 1, 1]
