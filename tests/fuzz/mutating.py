"""Random changes to bytes, of the kinds that break parsers."""

import random
from collections.abc import Sequence

MOST_CHANGES = 6
LONGEST = 1 << 20  # bytes; what grows stays quick to try
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
TOKENS = (
    *(b"\0", b"\r\n", b"\r\n\r\n", b"\n", b'"', b"'", b",", b":", b"[", b"]", b"{", b"}", b"%"),
    *(b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xae", "ß。٣".encode(), b"-1", b"1e999", b"NaN", b"null"),
    *(
        b"9" * 30,
        b"9" * 5000,
        b"[" * 1000,
        b'{"a":' * 1000,
        b"A" * 9000,
        b"../",
        b"=1+1",
        b"\\ud800",
    ),
)


def mutated(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """The content with a few random changes, some of them taken from the others."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, MOST_CHANGES)):
        chance.choice(CHANGES)(changed, others, chance)
    return bytes(changed[:LONGEST])


def _place(content: bytearray, chance: random.Random) -> int:
    return chance.randint(0, len(content))


def _part(content: Sequence[int] | bytes, chance: random.Random) -> slice:
    """A part of the content, more often a short one."""
    start = chance.randint(0, len(content))
    return slice(start, start + chance.randint(0, min(len(content), 1 << chance.randint(0, 16))))


def _flip(content: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8) if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _overwrite(content: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    length = chance.choice((1, 2, 4))
    value = chance.choice(EDGES) & ((1 << 8 * length) - 1)
    place = _place(content, chance)
    order = chance.choice(("big", "little"))
    content[place : place + length] = value.to_bytes(length, order)  # type: ignore[arg-type]


def _delete(content: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    del content[_part(content, chance)]


def _truncate(content: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    del content[_place(content, chance) :]


def _repeat(content: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    part = content[_part(content, chance)]
    place = _place(content, chance)
    content[place:place] = part * chance.choice((1, 2, 100))


def _insert(content: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    place = _place(content, chance)
    content[place:place] = chance.choice(TOKENS)


def _splice(content: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    content[_part(content, chance)] = other[_part(other, chance)]


CHANGES = (_flip, _overwrite, _delete, _truncate, _repeat, _insert, _splice)
