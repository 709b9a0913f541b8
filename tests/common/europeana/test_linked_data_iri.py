import pytest

from common.europeana.linked_data import iri


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.example/b c.jpg", "http://a.example/b%20c.jpg"),
        ("http://a.example/{1}|<2>", "http://a.example/%7B1%7D%7C%3C2%3E"),
        ("http://a.example/\u0085\n", "http://a.example/%C2%85%0A"),
        ("http://a.example/größe%20[1]?q='x'", "http://a.example/größe%20[1]?q='x'"),
    ],
)
def test_only_what_an_iri_must_not_hold_is_encoded(url: str, expected: str) -> None:
    assert iri(url) == expected
