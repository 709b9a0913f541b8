import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UsageError
from common.europeana.record_ids import NO_TEXT, TABLE, open_list, read_list

DIRT = st.text(alphabet=" \t\"'<>,;\ufeff", max_size=4)
FORMS = ("{}", "http://data.europeana.eu/item{}", "https://www.europeana.eu/de/item{}?q=x")


@given(
    local=st.from_regex(r"[A-Za-z0-9_]{1,40}", fullmatch=True),
    form=st.sampled_from(FORMS),
    before=DIRT,
    after=DIRT,
    end=st.sampled_from(["", "\n", "\r\n"]),
)
def test_an_id_is_found_in_every_form_and_whatever_dirt_is_around_it(
    local, form, before, after, end
):
    record_id = f"/91001/{local}"
    (line,) = read_list([before + form.format(record_id) + after + end])
    assert (line.number, line.record_id, line.problem) == (1, record_id, "")


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n"))))
def test_every_line_is_told_of_and_is_an_id_or_blank_or_a_problem(texts):
    lines = list(read_list(texts))
    assert [line.number for line in lines] == list(range(1, len(texts) + 1))
    for line in lines:
        assert (line.record_id is None) or not line.problem
        assert bool(line.record_id or line.problem) == bool(line.text)


def test_a_problem_names_what_was_found():
    lines = list(read_list(["/1/a\n", "\n", "nonsense\n", "/1/b-c"]))
    assert [line.record_id for line in lines] == ["/1/a", None, None, None]
    assert "'nonsense' is not a record ID" in lines[2].problem
    assert lines[3].number == 4


@pytest.mark.parametrize("line", ["/1/a,Vase", "Vase\t/1/a", "7;http://data.europeana.eu/item/1/a"])
def test_a_line_of_a_table_is_told_as_such(line):
    assert [each.problem for each in read_list([line])] == [TABLE]


@pytest.mark.parametrize("line", ["/1/\ufffd", "/\0001\0/\000a\0"])
def test_a_line_of_another_encoding_is_told_as_such(line):
    assert [each.problem for each in read_list([line])] == [NO_TEXT]


def test_standard_input_in_another_encoding_is_read_as_a_file_is(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"/1/a\n\xff\n"), "utf-8"))
    with open_list("-") as lines:
        assert [line.problem for line in read_list(lines)] == ["", NO_TEXT]


def test_a_file_and_standard_input_are_read(tmp_path, monkeypatch):
    (tmp_path / "ids.txt").write_bytes("\ufeff/1/a\n".encode() + b"/1/\xff\n")
    with open_list(str(tmp_path / "ids.txt")) as lines:
        assert [line.record_id for line in read_list(lines)] == ["/1/a", None]
    monkeypatch.setattr("sys.stdin", io.StringIO("/1/b\n"))
    with open_list("-") as lines:
        assert [line.record_id for line in read_list(lines)] == ["/1/b"]


def test_a_pipe_is_read_if_the_shell_gave_it_and_else_refused_without_waiting(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"/1/a\n")
    os.close(writing)
    with open_list(f"/dev/fd/{reading}") as lines:
        assert [line.record_id for line in read_list(lines)] == ["/1/a"]
    os.close(reading)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe cannot be read: it is not a regular file"):
        open_list(str(tmp_path / "pipe")).__enter__()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere.txt cannot be read: No such file"):
        open_list(str(tmp_path / "nowhere.txt")).__enter__()
