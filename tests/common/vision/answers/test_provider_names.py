"""A data provider has one name, whatever the metadata hold."""

import pytest

from common.vision.answers.provider_names import LONGEST, provider_name


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Musée du Louvre", "Musée du Louvre"),
        ("Museum\n of\u2028Art\u00a0", "Museum of Art"),
        ("\x1b[2JMuseum\x00", "[2JMuseum"),
        ("x" * 400, "x" * LONGEST),
        ("x" * (LONGEST - 1) + " y", "x" * (LONGEST - 1)),
        (" \n", ""),
        ("a\ud800b", "a b"),
    ],
)
def test_names_are_a_line_of_bounded_length(told: str, expected: str) -> None:
    assert provider_name(told) == expected
    assert provider_name(expected) == expected
