import pytest

from worker.exports.rows import published


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@m.example/a.jpg", "https://m.example/a.jpg"),
        ("https://token@m.example:8080/a", "https://m.example:8080/a"),
        ("https://api.example/t?uri=x&wskey=secret", "https://api.example/t?uri=x"),
        ("https://api.example/t?WSKEY=secret&uri=x#top", "https://api.example/t?uri=x#top"),
        ("https://api.example/t?apikey=secret", "https://api.example/t"),
        ("https://m.example/@me/a.jpg?mail=a@b&", "https://m.example/@me/a.jpg?mail=a@b&"),
        ("https://m.example/iiif/key=1/a?keyword=b", "https://m.example/iiif/key=1/a?keyword=b"),
    ],
)
def test_passwords_and_keys_are_left_out_and_nothing_else(url: str, expected: str) -> None:
    assert published(url) == expected
