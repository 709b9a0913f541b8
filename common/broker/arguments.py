"""The arguments of a task; any system that can reach the broker chooses them."""

import re

from pydantic import BaseModel, ValidationError

from common.process.wrong_values import field_path, in_words

_PLACE = re.compile(r"\w[\w ]{0,39}", re.ASCII)


def by_name(
    args: tuple[object, ...], kwargs: dict[str, object], model: type[BaseModel]
) -> dict[str, object]:
    """Arguments by the names of the model's fields; surplus ones by names that it refuses."""
    names = [*model.model_fields, *(f"argument {place}" for place in range(len(args)))]
    return dict(zip(names, args, strict=False)) | kwargs


def first_problem(error: ValidationError) -> str:
    """What is wrong, without the input: it may be long, and is not trusted.

    The message has an unknown name if it looks like one.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    place = (part if _PLACE.fullmatch(part) else "(a name)" for part in map(str, problem["loc"]))
    return f"{field_path(tuple(place))}: {in_words(problem)}"
