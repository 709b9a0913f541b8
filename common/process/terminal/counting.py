"""Numbers of things in words."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, in the singular for one: `1 record`, `2,000 records`.

    Args:
        plural: where it is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
