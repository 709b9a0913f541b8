"""Names of models."""

import pytest
from sqlalchemy.dialects import postgresql

from common.errors import UsageError
from common.store.model_names import ModelName


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
    with pytest.raises(UsageError, match="expected NAME or NAME@VERSION"):
        ModelName.parse(text)


def test_a_name_alone_means_all_its_versions() -> None:
    def sql(name: ModelName) -> str:
        compiled = name.condition.compile(
            dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
        )
        return str(compiled)

    assert sql(ModelName("pilot")) == "model.name = 'pilot'"
    assert sql(ModelName("pilot", 2)) == "model.name = 'pilot' AND model.version = 2"
