"""Other people's text where a program would obey it: cells of tables, and lines on a terminal.

Names, titles and addresses come from anybody's metadata.
A spreadsheet computes a cell that begins like a formula, and a terminal obeys escapes.
"""

import re
from collections.abc import Iterable

# https://owasp.org/www-community/attacks/CSV_Injection; the wide forms count in East Asian versions
_FORMULA = r"(?:[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_TO_GUARD = re.compile(rf"'*{_FORMULA}")
_GUARDED = re.compile(rf"'+{_FORMULA}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|-?(inf|nan)")
CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # C0, DEL, C1, and what else ends a line
UNFIT = re.compile(rf"[{CONTROLS}\ud800-\udfff]")  # for a name, which is one line of text
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what turns or breaks the line around it
    r"\ud800-\udfff]"  # halves of surrogate pairs, which no terminal can be sent
)


def guard_cell(cell: object) -> object:
    """A cell that no spreadsheet reads as a formula: an apostrophe goes before one.

    Numbers stay numbers, texts of numbers too. `unguard_cell` gives the text back.
    """
    if isinstance(cell, str) and _TO_GUARD.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def guard_row(cells: Iterable[object]) -> list[object]:
    return [guard_cell(cell) for cell in cells]


def unguard_cell(cell: str) -> str:
    return cell[1:] if _GUARDED.match(cell) else cell


def visible(text: str) -> str:
    r"""The text with its control characters written out: `\x1b` for escape.

    Tabs and line feeds stay; what reverses the direction of the line is written out too.
    """
    return CONTROL.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
