"""Labels as people spell them, read as labels of the vocabulary if only one is possible."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
        also: the category of each other spelling, written as categories are.

    A word is compared with the labels as it stands, then in lower case with underscores instead of
    hyphens and spaces, then by its singular. Else it is read as the label with the smallest edit
    distance, if only one label has it: at most 1 in a label of 5 to 7 letters, at most 2 in a
    longer label. Shorter labels are too close to other words (map, cap).
    """

    def __init__(self, labels: Iterable[str], *, also: Mapping[str, str] | None = None) -> None:
        self._category_of = {**(also or {}), **{label: label for label in labels}}
        self._labels = frozenset(self._category_of)
        self._most_words = max((label.count("_") + 1 for label in self._labels), default=1)
        self._by_singular: defaultdict[str, list[str]] = defaultdict(list)
        for label in sorted(self._labels):
            self._by_singular[_singular(label)].append(label)
        self.read = lru_cache(maxsize=4096)(self._read)

    def _read(self, cell: str) -> LabelReading:
        if len(cell) > _MAX_CELL:
            return LabelReading(problem=f"has {len(cell):,} characters")
        words = [word for word in _SEPARATORS.split(cell) if word]
        labels: list[str] = []
        guess = ""
        position = 0
        while position < len(words):
            label, width = self._label_at(words[position : position + self._most_words])
            if not label:
                return LabelReading(problem=self._problem(words[position]))
            word = "_".join(words[position : position + width])
            if not self._is_named(word):
                guess = guess or f"{word[:40]!r} may mean {label}"
            labels.append(self._category_of[label])
            position += width
        return LabelReading(tuple(dict.fromkeys(labels)), guess=guess)

    def _label_at(self, words: Sequence[str]) -> tuple[str, int]:
        """The label at the start of the words, and its number of words; empty if there is none."""
        if words[0] in self._labels and len(words) == 1:
            return words[0], 1
        for width in range(len(words), 0, -1):
            if label := self._spelled("_".join(words[:width])):
                return label, width
        return "", 0

    def _spelled(self, written: str) -> str:
        word = _normalised(written)
        if word in self._labels:
            return word
        same = self._by_singular.get(_singular(word)) or self._nearest(word)
        return same[0] if len(same) == 1 else ""

    def _is_named(self, written: str) -> bool:
        """Whether a word is a label, but for case, hyphens and number."""
        word = _normalised(written)
        return word in self._labels or len(self._by_singular.get(_singular(word), ())) == 1

    def _nearest(self, word: str) -> list[str]:
        """The labels at the smallest distance, if that may be a slip of the pen."""
        distances = {label: Levenshtein.distance(word, label) for label in sorted(self._labels)}
        near = {label: far for label, far in distances.items() if far <= _tolerance(label)}
        return [label for label, far in near.items() if far == min(near.values())]

    def _problem(self, word: str) -> str:
        nearest = self._nearest(_normalised(word))
        doubt = f" and could be any of {', '.join(nearest)}" if nearest else ""
        return f"{word[:40]!r} is no label of the vocabulary{doubt}"


def spellings(vocabulary: Vocabulary) -> dict[str, str]:
    """The category that each label and each alternative of a vocabulary can only mean."""
    meant: defaultdict[str, set[str]] = defaultdict(set)
    for each in vocabulary.concepts:
        for label in (*each.labels.values(), *chain.from_iterable(each.alternatives.values())):
            meant[category_of(label)].add(each.category)
    return {
        spelling: next(iter(categories))
        for spelling, categories in meant.items()
        if spelling and len(categories) == 1
    }


def _normalised(word: str) -> str:
    composed = unicodedata.normalize("NFKC", word)
    return re.sub("[-_]+", "_", composed.lower()).strip("_")


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _tolerance(label: str) -> int:
    return 0 if len(label) < 5 else 1 if len(label) < 8 else 2
