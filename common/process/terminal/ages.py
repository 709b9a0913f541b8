"""Ages that users give: days, or hours."""

import re
from datetime import timedelta

from common.errors import UsageError

LONGEST = timedelta(days=36_500)
_AGE = re.compile(r"(?P<count>[0-9]{1,7})(?P<unit>[dh])")


def parse_age(text: str) -> timedelta:
    """The age in `30d` or `12h`.

    Raises:
        UsageError: the text has another form, or is nothing or more than a hundred years.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:40]!r} is not an age. Write days or hours, such as 30d or 12h.")
    count = int(match["count"])
    if not count:
        raise UsageError(f"The age {text} is too short. The shortest age is 1h.")
    age = timedelta(hours=count) if match["unit"] == "h" else timedelta(days=count)
    if age > LONGEST:
        raise UsageError(f"The age {text} is too long. The longest age is {LONGEST.days:,} days.")
    return age
