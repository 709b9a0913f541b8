"""A licence that does not let anybody use the weights is never silent."""

import pytest

from common.vision.encoders.licences import warning_about


@pytest.mark.parametrize("licence", ["apache-2.0", "MIT", " bsd-3-clause ", "cc-by-4.0"])
def test_a_free_licence_needs_no_word(licence: str) -> None:
    assert warning_about(licence) == ""


@pytest.mark.parametrize(
    ("licence", "word"),
    [
        ("", "unknown"),
        ("unknown", "unknown"),
        ("cc-by-nc-4.0", "no commercial use"),
        ("fair-noncommercial-research-license", "no commercial use"),
        ("dinov3-license", "custom"),
        ("apache-2.0-with-a-catch", "custom"),
    ],
)
def test_any_other_is_said(licence: str, word: str) -> None:
    assert word in warning_about(licence)
