"""What is wrong in a JSON text is said in its own names."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from common.process.wrong_values import first_wrong

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
        ('{"model": "long"}', "model: it has more than 3 characters"),
        ('{"model": 5}', "model: it must be text"),
        ('{"parts": [{"file": "a"}, {"file": 1}]}', "parts.1.file: it must be text"),
        ('{"limits": {"a": "x"}}', "limits.a: it must be a number"),
        ('{"limits": {"long": 1}}', "limits.long: it has more than 3 characters"),
        ("[]", "it must be an object"),
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
