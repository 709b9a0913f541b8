"""Numbers that people type, with a decimal point or a decimal comma."""

from common.errors import UsageError


def number(text: str, *, what: str, least: float = 0.0, most: float = 1e9) -> float | None:
    """The number in a field, None where it is empty.

    Raises:
        UsageError: it is no number, or out of range.
    """
    if not text:
        return None
    try:
        found = float(text.replace(",", "."))
    except ValueError as error:
        raise UsageError(f"{what} is {text[:40]!r}, which is no number.") from error
    if not least <= found <= most:
        raise UsageError(f"{what} is {found:g}; it must be from {least:g} to {most:g}.")
    return found
