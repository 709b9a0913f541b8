"""Labels as people spell them, read as labels of the vocabulary if only one is possible."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from rapidfuzz.distance import Levenshtein

from common.vocabulary.concepts import Vocabulary, category_of

_SEPARATORS = re.compile(r"[\s,;|/]+")
_MAX_CELL = 2000  # characters; twenty labels have about 200


@dataclass(frozen=True, slots=True)
class LabelReading:
    """The labels in a cell, each once, or the `problem` with the cell.

    `guess` is a misspelt word and the label that it is nearest to; empty if none was misspelt.
    """

    labels: tuple[str, ...] = ()
    problem: str = ""
    guess: str = ""


class LabelReader:
    """Reads cells with one category or several, or with labels of them in any language.

    Args:
        labels: the categories.
        also: the categories of each other spelling.

    A word that is a category as it stands is that. Else it is compared with the spellings in lower
    case with underscores instead of hyphens and spaces, then without signs, then by its singular.
    Else it is read as the spelling with the smallest edit distance: at most 1 in one of 5 to 7
    letters, at most 2 in a longer one. Shorter ones are too close to other words (map, cap). What
    may be several categories is none of them.
    """

    def __init__(
        self, labels: Iterable[str], *, also: Mapping[str, Collection[str]] | None = None
    ) -> None:
        self._categories = frozenset(labels)
        self._meant: defaultdict[str, set[str]] = defaultdict(set)
        for spelling, categories in (also or {}).items():
            self._meant[_normalised(spelling)].update(categories)
        for category in self._categories:
            self._meant[_normalised(category)].add(category)
        self._by_singular: defaultdict[str, set[str]] = defaultdict(set)
        for spelling, categories in self._meant.items():
            self._by_singular[_singular(spelling)] |= categories
        self._most_words = max((each.count("_") + 1 for each in self._meant), default=1)
        self.read = lru_cache(maxsize=4096)(self._read)

    def _read(self, cell: str) -> LabelReading:
        if len(cell) > _MAX_CELL:
            return LabelReading(problem=f"has {len(cell):,} characters")
        words = [word for word in _SEPARATORS.split(cell) if word]
        labels: list[str] = []
        guess = ""
        position = 0
        while position < len(words):
            found, width = self._label_at(words[position : position + self._most_words])
            word = "_".join(words[position : position + width])
            if len(found) != 1:
                return LabelReading(problem=_problem(word, found))
            (label,) = found
            if not self._named(word):
                guess = guess or f"{word[:40]!r} may mean {label}"
            labels.append(label)
            position += width
        return LabelReading(tuple(dict.fromkeys(labels)), guess=guess)

    def _label_at(self, words: Sequence[str]) -> tuple[Collection[str], int]:
        """The categories that the first words may mean, and how many words that are."""
        widths = range(len(words), 0, -1)
        for width in widths:
            if found := self._named("_".join(words[:width])):
                return found, width
        for width in widths:
            found = self._nearest(_normalised("_".join(words[:width])))
            if len(found) == 1 or (found and width == 1):
                return found, width
        return (), 1

    def _named(self, written: str) -> Collection[str]:
        """The categories that a word means, but for case, hyphens, signs and number."""
        if written in self._categories:
            return (written,)
        word = _normalised(written)
        as_spelt = self._meant.get(word, ()) or self._meant.get(category_of(written), ())
        return as_spelt or self._by_singular.get(_singular(word), ())

    def _nearest(self, word: str) -> set[str]:
        """What the spellings at the smallest distance mean, if that may be a slip of the pen."""
        distances = {each: Levenshtein.distance(word, each) for each in self._meant}
        near = {each: far for each, far in distances.items() if far <= _tolerance(each)}
        least = min(near.values(), default=0)
        return {each for key, far in near.items() if far == least for each in self._meant[key]}


def spellings(vocabulary: Vocabulary) -> dict[str, set[str]]:
    """The categories that each label and each alternative of a vocabulary may mean."""
    meant: defaultdict[str, set[str]] = defaultdict(set)
    for each in vocabulary.concepts:
        for label in (*each.labels.values(), *chain.from_iterable(each.alternatives.values())):
            for spelling in ("_".join(label.split()), category_of(label)):
                meant[spelling].add(each.category)
    meant.pop("", None)
    return dict(meant)


def _problem(word: str, nearest: Collection[str]) -> str:
    doubt = f" and could be any of {', '.join(sorted(nearest))}" if nearest else ""
    return f"{word[:40]!r} is no label of the vocabulary{doubt}"


def _normalised(word: str) -> str:
    composed = unicodedata.normalize("NFKC", word)
    return re.sub("[-_]+", "_", composed.lower()).strip("_")


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _tolerance(label: str) -> int:
    return 0 if len(label) < 5 else 1 if len(label) < 8 else 2
