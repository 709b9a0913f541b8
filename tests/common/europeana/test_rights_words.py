import pytest

from common.europeana.rights import rights_words

CC, RS = "http://creativecommons.org/", "http://rightsstatements.org/vocab/"


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        (CC + "licenses/by-sa/4.0/", "CC BY-SA 4.0"),
        (CC + "licenses/by-nc-nd/3.0/de/", "CC BY-NC-ND 3.0"),
        (CC + "publicdomain/mark/1.0/", "Public Domain"),
        (CC + "publicdomain/zero/1.0/", "CC0"),
        (RS + "InC/1.0/", "In Copyright"),
        (RS + "New/1.0/", RS + "New/1.0/"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("", "Rights unknown"),
        (None, "Rights unknown"),
    ],
)
def test_rights_are_told_in_a_few_words(rights, words):
    assert rights_words(rights) == words
