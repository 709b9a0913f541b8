import pytest

from common.europeana.rights import reusability

CC, STATEMENT = "http://creativecommons.org", "http://rightsstatements.org/vocab"


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        (f"{CC}/publicdomain/mark/1.0/", "open"),
        (f"{CC}/publicdomain/zero/1.0/", "open"),
        ("https://creativecommons.org/licenses/by/4.0/", "open"),
        (f"{CC}/licenses/by-sa/3.0/se/", "open"),
        (f"{CC}/licenses/by-nc-nd/3.0/de/", "restricted"),
        (f"{CC}/licenses/by-nd/4.0/", "restricted"),
        (f"{STATEMENT}/NoC-OKLR/1.0/", "restricted"),
        (f"{STATEMENT}/InC-EDU/1.0/", "restricted"),
        (f"{STATEMENT}/InC/1.0/", "permission"),
        ("http://www.europeana.eu/rights/rr-f/", "permission"),
        (f"{STATEMENT}/UND/1.0/", "uncategorized"),
        ("all rights reserved", "uncategorized"),
    ],
)
def test_statements_have_the_class_by_which_europeana_searches(rights, expected):
    assert reusability(rights) == expected
