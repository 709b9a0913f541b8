"""Tables: the CSV files of an experiment, and the error if a file is damaged."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.errors import ModelError
from common.files import open_regular, write_atomically
from common.process.foreign_text import guard_row, unguard_cell
from common.process.wrong_values import first_wrong


def write_table(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV, the first of them the header."""
    write_atomically(path, as_csv(rows))


def as_csv(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(guard_row, rows))
    return buffer.getvalue()


def read_table(path: Path) -> list[list[str]]:
    """The rows of a CSV file, the header first, all of the same length.

    Raises:
        OSError: the file cannot be read.
        ValueError, csv.Error: the file is damaged.
    """
    with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as file:
        rows = [[unguard_cell(cell) for cell in row] for row in csv.reader(file)]
    if not rows:
        raise ValueError("it is empty")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {number} is not as long as the header")
    return rows


def read_records(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names in its header.

    Raises:
        OSError: the file cannot be read.
        ValueError, csv.Error: the file is damaged.
    """
    header, *rows = read_table(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_columns(path: Path, *names: str) -> list[list[str]]:
    """The named columns of a CSV file, row by row.

    Raises:
        ModelError: the file is missing or damaged.
    """
    with parsing(path):
        header, *rows = read_table(path)
        chosen = [header.index(name) for name in names]
        return [[row[place] for place in chosen] for row in rows]


def cell_of(chosen: Iterable[bool], categories: tuple[str, ...]) -> str:
    labels = [category for category, is_so in zip(categories, chosen, strict=True) if is_so]
    return as_csv([labels]).rstrip("\n") if labels else ""


def labels_in(cell: str) -> list[str]:
    return [unguard_cell(label) for label in next(csv.reader([cell]), [])]


@contextmanager
def parsing(path: Path) -> Iterator[Path]:
    """Turn the errors of reading and parsing one file into errors for its user.

    Parsers raise ValueErrors for damaged content: pydantic, JSON, Unicode and numbers.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        yield path
    except FileNotFoundError as error:
        raise ModelError(
            f"There is no {path}: the experiment is not finished. Train it to the end."
        ) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise ModelError(f"{path} is damaged: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return first_wrong(error) if isinstance(error, ValidationError) else str(error)
