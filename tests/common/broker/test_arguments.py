"""The arguments of a task, as strangers choose them."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from common.broker.arguments import by_name, first_problem


class Submission(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    record_ids: list[str]
    idempotency_key: str


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ((["/1/a"], "key"), {}, {"record_ids": ["/1/a"], "idempotency_key": "key"}),
        ((), {"record_ids": []}, {"record_ids": []}),
        ((1, 2, 3), {}, {"argument 0": 3}),
    ],
)
def test_arguments_are_known_by_their_names(
    args: tuple[object, ...], kwargs: dict[str, object], named: dict[str, object]
) -> None:
    found = by_name(args, kwargs, Submission)
    assert named.items() <= found.items()


def test_a_problem_is_told_without_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Submission.model_validate({"record_ids": ["a", {"secret": 1}], "idempotency_key": "k"})
    assert first_problem(caught.value) == "record_ids.1: it must be text"
