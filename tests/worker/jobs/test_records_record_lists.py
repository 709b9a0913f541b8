"""Lists of record IDs as people have them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from common.errors import UsageError
from worker.jobs.records import RejectedLines, read_files, read_record_ids, refuse_rejected


def read(lines: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    return read_record_ids(lines, rejected, name="ids.txt")


def test_ids_item_uris_and_portal_urls_are_read() -> None:
    rejected = RejectedLines()
    lines = [
        "/1/a\n",
        "\n",
        "http://data.europeana.eu/item/1/b\n",
        " https://www.europeana.eu/en/item/1/c?q=x \n",
    ]
    assert list(read(lines, rejected)) == ["/1/a", "/1/b", "/1/c"]
    assert rejected.count == 0


def test_bad_lines_are_named_by_number() -> None:
    rejected = RejectedLines()
    assert list(read(["/1/a", "nonsense", "/2"], rejected)) == ["/1/a"]
    assert rejected.count == 2
    assert "ids.txt, line 2: 'nonsense' is not a record ID" in str(rejected)
    assert "line 3" in str(rejected)


def test_of_many_bad_lines_the_first_are_shown_and_the_rest_counted() -> None:
    rejected = RejectedLines()
    list(read(["nonsense"] * 25, rejected))
    assert str(rejected).count("line ") == 10
    assert "and 15 more" in str(rejected)


def test_of_a_table_one_line_is_told(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("id;title\n" + "".join(f'"/1/r{n}";"Vase, {n}"\n' for n in range(20)))
    rejected = RejectedLines()
    assert list(read_files([str(table)], rejected)) == []
    assert str(rejected).splitlines() == [
        f"{table}, line 1: 'id;title' is not a record ID. Give /dataset/local, an item URI or "
        "a portal URL.",
        f"  {table}, line 2: it contains more than a record ID. Keep only the column of IDs.",
        "  ... and 19 more",
    ]


@pytest.mark.parametrize(
    "content",
    ["/1/a\n/1/b\n".encode("utf-16"), "/1/a\n/1/b\n".encode("utf-16-be"), bytes(range(256)) * 9],
    ids=["UTF-16", "UTF-16 without a mark", "binary"],
)
def test_of_what_is_no_text_one_line_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "list"
    file.write_bytes(content)
    rejected = RejectedLines()
    assert list(read_files([str(file)], rejected)) == []
    assert str(rejected).count("it is not a text file in UTF-8. Save the list as UTF-8") == 1


def test_a_bad_line_refuses_the_list_at_its_end() -> None:
    rejected = RejectedLines()
    found = read(["/1/a", "nonsense", "/1/b"], rejected)
    passed = refuse_rejected(found, rejected, leave_out="tick that")
    assert [next(passed), next(passed)] == ["/1/a", "/1/b"]
    with pytest.raises(UsageError, match="line 2"):
        next(passed)


def test_files_are_read_one_after_the_other_and_named(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("/1/a\n")
    second.write_text("nonsense\n/1/b\n")
    rejected = RejectedLines()
    assert list(read_files([str(first), str(second)], rejected)) == ["/1/a", "/1/b"]
    assert rejected.first[0].startswith(f"{second}, line 1: 'nonsense'")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.txt")
    with pytest.raises(UsageError, match=missing):
        list(read_files([missing], RejectedLines()))
