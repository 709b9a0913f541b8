"""Museums whose names the metadata spell otherwise."""

from sqlalchemy import text

from common.store.session import open_store
from common.vision.answers.data_providers import odd_spellings, spellings_of


def test_all_spellings_of_a_name_are_found(database_url: str) -> None:
    engine = open_store()
    spelt = ["Louvre", "Louvre ", "Lou\nvre", "Prado", None, " ", "Uffi\n zi"]
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO record (id, data_provider) VALUES (:id, :spelt)"),
            [{"id": f"/1/r{n}", "spelt": each} for n, each in enumerate(spelt * 2)],
        )
    with engine.connect() as connection:
        odd = odd_spellings(connection)
        assert odd == {"Louvre ": "Louvre", "Lou\nvre": "Lou vre", " ": "", "Uffi\n zi": "Uffi zi"}
        found = spellings_of(connection, ["Louvre", "Uffi zi", "Tate"])
    assert found == {
        "Louvre": ["Louvre", "Louvre "],
        "Uffi zi": ["Uffi zi", "Uffi\n zi"],
        "Tate": ["Tate"],
    }
    engine.dispose()
