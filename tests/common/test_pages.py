"""What the HTML pages share."""

import sys
from pathlib import Path

import pytest

from common.errors import UsageError
from common.pages import data_uri, record_page, template_engine


def test_texts_from_outside_are_escaped_and_numbers_are_grouped(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("<b>{{ label }}</b> {{ 1234567|number }}")
    page = template_engine(tmp_path).get_template("page.html.jinja").render(label="<script>")
    assert page == "<b>&lt;script&gt;</b> 1,234,567"


def test_control_characters_are_written_out_once(tmp_path: Path) -> None:
    template = "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}{{ bold(title) }}\n"
    (tmp_path / "page.html.jinja").write_text(template)
    page = template_engine(tmp_path).get_template("page.html.jinja")
    assert page.render(title="\x1b[2J\u202e<&") == r"<b>\x1b[2J\u202e&lt;&amp;</b>"


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
