"""What the HTML pages share."""

import html
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from common.errors import UsageError
from common.process.pages import Typed, data_uri, record_page, template_engine

OVERRIDE = "\u202e"


def test_texts_from_outside_are_escaped_and_numbers_are_grouped(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("<b>{{ label }}</b> {{ 1234567|number }}")
    page = template_engine(tmp_path).get_template("page.html.jinja").render(label="<script>")
    assert page == "<b>&lt;script&gt;</b> 1,234,567"


def test_control_characters_are_written_out_once(tmp_path: Path) -> None:
    template = "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}{{ bold(title) }}\n"
    (tmp_path / "page.html.jinja").write_text(template)
    page = template_engine(tmp_path).get_template("page.html.jinja")
    assert page.render(title="\x1b[2J\u202e<&") == r"<b>\x1b[2J\u202e&lt;&amp;</b>"


@dataclass(frozen=True)
class Named:
    """An object as templates print some."""

    name: str

    def __str__(self) -> str:
        return f"model {self.name}"


class Kind(StrEnum):
    """A text that is an object."""

    HOSTILE = f"a{OVERRIDE}b"


@pytest.mark.parametrize(
    "template",
    [
        "{{ value }}",
        "{{ value.name }}",
        "{{ kind }}",
        "{{ value.name|escape }}",
        "{{ [value, value]|join(', ') }}",
        "{{ '<b>'|safe ~ value }}",
        "{{ [value] }}",
        '<p title="{{ value }}">',
        "{% macro bold() %}<b>{{ value }}</b>{% endmacro %}{{ bold() ~ value }}",
    ],
)
def test_no_value_turns_the_line_around_it(tmp_path: Path, template: str) -> None:
    (tmp_path / "page").write_text(template)
    values = {"value": Named(f"a{OVERRIDE}b"), "kind": Kind.HOSTILE}
    page = template_engine(tmp_path).get_template("page").render(values)
    assert OVERRIDE not in page
    assert "u202e" in page


def test_a_field_gets_back_what_was_typed(tmp_path: Path) -> None:
    """A browser reads references, and keeps C1 and all the rest as they are."""
    (tmp_path / "page").write_text("{{ text|typed }}")
    text = "".join(map(chr, [*range(1, 0x180), 0x200E, 0x202E, 0x2067, 0x1F600])) + "\r\n<&\"'>"
    page = template_engine(tmp_path).get_template("page").render(text=text)
    c1 = "".join(map(chr, range(0x80, 0xA0)))
    assert c1 in page
    assert not set("\r\x1b\u202e<") & set(page)
    unread = str.maketrans("", "", "".join(map(chr, range(0xA0))))  # Python reads some otherwise
    assert html.unescape(page).translate(unread) == text.translate(unread)
    assert Typed("&#13;\r").__html__() == "&amp;#13;&#13;"


def test_a_value_that_the_template_lacks_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("{{ missing }}")
    template = template_engine(tmp_path).get_template("page.html.jinja")
    with pytest.raises(Exception, match="'missing' is undefined"):
        template.render()


def test_without_jinja_the_user_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match="needs Jinja2: pip install"):
        template_engine(tmp_path)


def test_a_data_uri_holds_the_content() -> None:
    assert data_uri(b"<svg/>", "image/svg+xml") == "data:image/svg+xml;base64,PHN2Zy8+"


def test_a_record_has_a_page() -> None:
    assert record_page("/90402/SK_A_2344") == "https://www.europeana.eu/item/90402/SK_A_2344"
