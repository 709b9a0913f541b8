"""A vocabulary: concepts with their labels by language, and how they relate.

The terms are those of SKOS (https://www.w3.org/TR/skos-reference/). A language is a tag such as
`de` or `pt-br` in lower case, and empty where a label has none.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain

from common.errors import VocabularyError
from common.process.foreign_text import UNFIT

LONGEST = 1_000  # characters of a URI or a label; an index of Postgres takes 2,700 bytes
LONGEST_DEFINITION = 10_000  # characters
LANGUAGE = re.compile(r"[a-z]{1,8}(-[a-z0-9]{1,8}){0,6}")
LONGEST_CATEGORY = 60  # characters; four bytes each are within what file systems allow
_NO_LETTER = re.compile(r"[\W_]+")

ByLanguage = Mapping[str, str]
SeveralByLanguage = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class VocabularyConcept:
    """A concept; `category` names its folders, files and columns, and has no space.

    `labels` are the preferred ones, `alternatives` other spellings and synonyms.
    """

    uri: str
    category: str
    labels: ByLanguage
    alternatives: SeveralByLanguage = field(default_factory=dict)
    definitions: ByLanguage = field(default_factory=dict)
    broader: tuple[str, ...] = ()
    exact_matches: tuple[str, ...] = ()
    notation: str | None = None


@dataclass(frozen=True)
class Vocabulary:
    """Concepts in the order of their categories; each URI and each category stands there once."""

    concepts: tuple[VocabularyConcept, ...]

    @cached_property
    def by_uri(self) -> dict[str, VocabularyConcept]:
        return {each.uri: each for each in self.concepts}

    @cached_property
    def categories(self) -> dict[str, str]:
        """Concept URIs by category."""
        return {each.category: each.uri for each in self.concepts}

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of labels, in alphabetical order."""
        return tuple(sorted({language for each in self.concepts for language in each.labels}))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that the vocabulary says; the order in a file does not count."""
        said = [asdict(each) for each in self.concepts]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for each in self.concepts:
            for broader in each.broader:
                found[broader].append(each.uri)
        return found

    def narrower(self, uri: str) -> tuple[str, ...]:
        """The concepts below a concept, at any depth."""
        found: dict[str, None] = {}
        waiting = list(self._children.get(uri, ()))
        while waiting:
            each = waiting.pop()
            if each not in found:
                found[each] = None
                waiting += self._children.get(each, ())
        return tuple(found)

    @classmethod
    def of(cls, concepts: Iterable[VocabularyConcept]) -> "Vocabulary":
        """The vocabulary of these concepts; links to concepts that are not among them go.

        Raises:
            VocabularyError: there is no concept, one has no label, or a text that is too long or
                has control characters; two have the same label, or concepts are broader than one
                another in a circle.
        """
        given = {each.uri: each for each in concepts}
        if not given:
            raise VocabularyError("The vocabulary has no concept.")
        for each in given.values():
            if problem := _problem(each):
                raise VocabularyError(f"The concept {each.uri[:LONGEST]} {problem}.")
        _check_labels_differ(given.values())
        kept = [_within(each, given) for each in given.values()]
        _check_no_circle(kept)
        return cls(tuple(sorted(kept, key=lambda each: (each.category, each.uri))))


def category_of(label: str) -> str:
    """A label as the name of a folder: lower case, letters and digits of any script, underscores.

    Empty if nothing is left of it.
    """
    composed = unicodedata.normalize("NFKC", label).lower()
    return _NO_LETTER.sub("_", composed)[:LONGEST_CATEGORY].strip("_")


def with_categories(concepts: Iterable[VocabularyConcept]) -> list[VocabularyConcept]:
    """The concepts with a category each, made of their main label.

    Where two labels give the same category, the URI's hash tells them apart: a part of it, or all
    of it where that is another one's category.
    """
    named = [(each, category_of(main_label(each.labels))) for each in concepts]
    times = Counter(category for _, category in named)
    return [
        replace(each, category=category)
        if category and times[category] == 1
        else replace(each, category=_with_hash(category, each.uri, times))
        for each, category in named
    ]


def _with_hash(category: str, uri: str, taken: Container[str]) -> str:
    digest = hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()
    short = f"{category}_{digest[:8]}".strip("_")
    return f"{category}_{digest}".strip("_") if short in taken else short


def main_label(labels: ByLanguage, languages: Iterable[str] = ()) -> str:
    """The label in the first of the languages that has one; else English, untagged, or any."""
    for language in (*languages, "en", "", *sorted(labels)):
        if label := labels.get(language):
            return label
    return ""


def _problem(concept: VocabularyConcept) -> str:
    """What the store or a page could not hold of a concept, or empty."""
    if not any(map(str.isalnum, chain.from_iterable(concept.labels.values()))):
        return "has no label with a letter or a digit"
    tags = {*concept.labels, *concept.alternatives, *concept.definitions}
    if wrong := sorted(tag for tag in tags if tag and not LANGUAGE.fullmatch(tag)):
        return f"has a text in {wrong[0][:40]!r}, which is no tag of a language"
    texts = [concept.uri, concept.notation or "", *concept.labels.values(), *concept.exact_matches]
    texts += chain.from_iterable(concept.alternatives.values())
    if any(len(text) > LONGEST for text in texts):
        return f"has a URI, a label or a notation of more than {LONGEST:,} characters"
    texts += concept.definitions.values()
    if any(len(text) > LONGEST_DEFINITION for text in texts):
        return f"has a definition of more than {LONGEST_DEFINITION:,} characters"
    if any(UNFIT.search(text) for text in texts):
        return "has a control character in a text"
    return ""


def _within(concept: VocabularyConcept, all_of_them: Mapping[str, object]) -> VocabularyConcept:
    broader = tuple(sorted({uri for uri in concept.broader if uri in all_of_them}))
    return replace(concept, broader=broader)


def _check_labels_differ(concepts: Iterable[VocabularyConcept]) -> None:
    first: dict[tuple[str, str], str] = {}
    for each in concepts:
        for language, label in each.labels.items():
            uri = first.setdefault((language, label.casefold()), each.uri)
            if uri != each.uri:
                tag = f" ({language})" if language else ""
                raise VocabularyError(
                    f"The concepts {uri} and {each.uri} have the same label {label!r}{tag}. "
                    "Change one of the labels, or leave a concept out with --exclude URI."
                )


def _check_no_circle(concepts: Iterable[VocabularyConcept]) -> None:
    try:
        TopologicalSorter({each.uri: each.broader for each in concepts}).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise VocabularyError(f"Some concepts are broader than themselves: {circle}.") from error
