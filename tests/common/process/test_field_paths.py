"""What is wrong in a JSON text is said in its own names."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from common.process.field_paths import first_wrong

Name = Annotated[str, Field(max_length=3)]


class _Part(BaseModel):
    file: Name


class _Whole(BaseModel):
    model: Name | list[Name] | None = None
    parts: list[_Part] = []
    limits: dict[Name, float | None] = {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"model": "long"}', "model: String should have at most 3 characters"),
        ('{"model": 5}', "model: Input should be a valid string"),
        ('{"parts": [{"file": "a"}, {"file": 1}]}', "parts.1.file: Input should be a valid string"),
        ('{"limits": {"a": "x"}}', "limits.a: Input should be a valid number"),
        ('{"limits": {"long": 1}}', "limits.long: String should have at most 3"),
        ("[]", "Input should be an object"),
    ],
)
def test_a_path_has_the_names_of_the_text_alone(text: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(_Whole).validate_json(text)
    assert first_wrong(caught.value).startswith(told)


def test_an_endless_name_is_cut_short() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(_Whole).validate_json('{"limits": {"' + "x" * 1_000_000 + '": 1}}')
    assert len(first_wrong(caught.value)) < 200
