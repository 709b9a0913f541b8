"""What is promised of a model, for whom, and when it says nothing: lines for people."""

from common.vision.bundle import Description, Promise

SHOWN = 10  # data providers


def promise_lines(description: Description) -> list[str]:
    """The promise, the rule, and whether the model abstains."""
    return [
        *_promised(description.promise),
        f"rule: {description.rule}",
        f"abstains: {_abstains(description)}",
    ]


def _promised(promise: Promise | None) -> list[str]:
    if promise is None:
        return ["promise: the model was made before promises said for whom they are"]
    how = (
        "each picture was judged by a model that had learned nothing from its provider"
        if promise.is_from_strangers
        else "a picture may have been judged by a model that had learned from its provider"
    )
    return [
        f"promise: at {100 * promise.confidence:g}% confidence, at least "
        f"{100 * promise.precision:g}% of the pictures for which a concept is written show it, for "
        "each concept by itself",
        f"measured on {promise.said.pictures:,} pictures: {how}",
        f"promised for the records of: {_providers(promise)}",
    ]


def _providers(promise: Promise) -> str:
    if not promise.providers:
        return "nobody knows: the pictures that it learned from name no data provider"
    by_size = sorted(promise.providers.items(), key=lambda each: (-each[1], each[0]))
    listed = ", ".join(f"{name} ({pictures:,})" for name, pictures in by_size[:SHOWN])
    more = len(by_size) - SHOWN
    return f"{listed} and {more:,} more" if more > 0 else listed


def _abstains(description: Description) -> str:
    if description.least_likeness is None:
        return "never; it answers for pictures that are unlike all that it learned from, too"
    return (
        "if a picture is less like the tenth nearest of those that it learned from than a cosine "
        f"of {description.least_likeness:.3f}"
    )
