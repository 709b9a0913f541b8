"""The reference pages say what the code does."""

import pytest

from deploy.reference import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_makes(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run: make docs"


def test_no_schema_is_left_of_a_command_that_is_gone() -> None:
    there = {f"json/{path.name}" for path in (DOCS / "json").iterdir()}
    assert there == {name for name in PAGES if name.startswith("json/")}
