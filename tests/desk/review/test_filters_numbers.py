"""Numbers that people type."""

import pytest

from common.errors import UsageError
from desk.review.filters import number


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "2", "1e400", "x", "\0"])
def test_what_is_no_number_in_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="The share is"):
        number(text, what="The share", most=1)


def test_a_number_may_be_left_out() -> None:
    assert number("", what="The share") is None
    assert number("0.5", what="The share", most=1) == 0.5
    assert number("0,5", what="The share", most=1) == 0.5
