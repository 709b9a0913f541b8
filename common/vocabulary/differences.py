"""How two vocabularies differ, concept by concept."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from common.vocabulary.concepts import Vocabulary, VocabularyConcept, main_label


@dataclass(frozen=True, kw_only=True)
class VocabularyDifference:
    """What differs of a concept: `what` is added, removed or the name of a property."""

    concept: str
    label: str
    what: str
    before: str = ""
    after: str = ""


def differences(old: Vocabulary, new: Vocabulary) -> Iterator[VocabularyDifference]:
    """The differences in the order of the concepts' URIs."""
    for uri in sorted(old.by_uri.keys() | new.by_uri.keys()):
        before, after = old.by_uri.get(uri), new.by_uri.get(uri)
        if before is None or after is None:
            yield _only_in_one(before, after)
        elif before != after:
            yield from _changes(before, after)


def _only_in_one(
    before: VocabularyConcept | None, after: VocabularyConcept | None
) -> VocabularyDifference:
    concept = after or before
    assert concept is not None  # it is in one of the two
    label = main_label(concept.labels)
    return VocabularyDifference(
        concept=concept.uri, label=label, what="added" if after else "removed"
    )


def _changes(before: VocabularyConcept, after: VocabularyConcept) -> Iterator[VocabularyDifference]:
    then, now = dict(_said(before)), dict(_said(after))
    for what in sorted(then.keys() | now.keys()):
        if then.get(what) != now.get(what):
            yield VocabularyDifference(
                concept=after.uri,
                label=main_label(after.labels),
                what=what,
                before=then.get(what, ""),
                after=now.get(what, ""),
            )


def _said(concept: VocabularyConcept) -> Iterator[tuple[str, str]]:
    """All that is said of a concept, by property and language: `labels de`."""
    for each in fields(concept):
        value = getattr(concept, each.name)
        if isinstance(value, dict):
            for language, text in value.items():
                yield f"{each.name} {language}".strip(), _in_words(text)
        elif value:
            yield each.name, _in_words(value)


def _in_words(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "; ".join(value)
