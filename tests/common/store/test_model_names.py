"""Names of models."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql

from common.errors import UsageError
from common.store.model_names import ModelName, version_meant
from common.store.session import open_store


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pilot", ModelName("pilot")),
        ("pilot@2", ModelName("pilot", 2)),
        ("pilot@v2", ModelName("pilot", 2)),
        ("pilot v2", ModelName("pilot", 2)),
        ("a.b-c_1@10", ModelName("a.b-c_1", 10)),
    ],
)
def test_a_name_is_understood_in_all_its_forms(text: str, name: ModelName) -> None:
    assert ModelName.parse(text) == name
    assert ModelName.parse(str(name)) == ModelName.parse(name.title) == name


@pytest.mark.parametrize(
    "text", ["", "@2", "pilot@", "pilot@latest", "pilot@-1", "../x", "a b", "x@1\n"]
)
def test_any_other_text_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="Write NAME or NAME@VERSION"):
        ModelName.parse(text)


def test_a_name_alone_means_all_its_versions() -> None:
    def sql(name: ModelName) -> str:
        compiled = name.condition.compile(
            dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
        )
        return str(compiled)

    assert sql(ModelName("pilot")) == "model.name = 'pilot'"
    assert sql(ModelName("pilot", 2)) == "model.name = 'pilot' AND model.version = 2"


VERSIONS = text("""
    INSERT INTO model (name, version, path, sha256, labels, thresholds)
    SELECT 'pilot', n, 'pilot-' || n, lpad(CAST(n AS text), 64, '0'), '{}', '{}'
    FROM generate_series(1, :versions) AS n
""")
SERVE = text("""
    INSERT INTO service (data_provider, model_id)
    SELECT nullif(:whom, 'all'), id FROM model WHERE version = :version
""")
ACTIVE = text("UPDATE model SET stage = 'active' WHERE version = :version")


def meant(engine: Engine, versions: int, serving: dict[str, int]) -> int | None:
    """What `pilot` means if these versions of it are in service, for all or for a provider."""
    with engine.connect() as connection:
        connection.execute(VERSIONS, {"versions": versions})
        for whom, version in serving.items():
            connection.execute(SERVE, {"whom": whom, "version": version})
            if whom == "all":
                connection.execute(ACTIVE, {"version": version})
        assert version_meant(connection, ModelName("pilot", 9)) == ModelName("pilot", 9)
        return version_meant(connection, ModelName("pilot")).version


@pytest.mark.parametrize(
    ("versions", "serving", "version"),
    [
        (0, {}, None),
        (1, {}, 1),
        (3, {"all": 1}, 1),
        (3, {"Louvre": 2}, 2),
        (3, {"Louvre": 3, "all": 2, "Prado": 1}, 2),
    ],
)
def test_a_name_alone_means_the_version_in_service_or_the_only_one(
    database_url: str, versions: int, serving: dict[str, int], version: int | None
) -> None:
    assert meant(open_store(), versions, serving) == version


@pytest.mark.parametrize(
    ("serving", "told"),
    [({}, "none of them is"), ({"Louvre": 1, "Prado": 2}, "more than one of them is")],
)
def test_a_name_that_may_mean_several_versions_is_refused(
    database_url: str, serving: dict[str, int], told: str
) -> None:
    with pytest.raises(UsageError, match=f"{told} in service.*: pilot@1, pilot@2, pilot@3"):
        meant(open_store(), 3, serving)
