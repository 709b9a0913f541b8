"""Messages of strangers: whoever reaches the broker can send anything."""

from pydantic import BaseModel, ValidationError


def by_name(
    args: tuple[object, ...], kwargs: dict[str, object], model: type[BaseModel]
) -> dict[str, object]:
    """Arguments by the names of the model's fields; surplus ones by names that it refuses."""
    names = [*model.model_fields, *(f"argument {place}" for place in range(len(args)))]
    return dict(zip(names, args, strict=False)) | kwargs


def first_problem(error: ValidationError) -> str:
    """What is wrong, without the input: it may be long, and is a stranger's."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
