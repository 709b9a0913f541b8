"""The URIs that stand for concepts in records: a concept's own, and those of its exact matches."""

from collections.abc import Iterable, Iterator

from common.errors import VocabularyError
from common.vocabulary.concepts import VocabularyConcept


def uris_of(concept: VocabularyConcept) -> tuple[str, ...]:
    """The concept's own URI, then its exact matches."""
    return tuple(dict.fromkeys((concept.uri, *concept.exact_matches)))


def claimed_twice(concepts: Iterable[VocabularyConcept]) -> Iterator[tuple[str, str, str]]:
    """URIs that would stand for two concepts, each with the two."""
    given = list(concepts)
    owner = {each.uri: each.uri for each in given}
    for each in given:
        for uri in each.exact_matches:
            first = owner.setdefault(uri, each.uri)
            if first != each.uri:
                yield uri, first, each.uri


def check_claimed_once(concepts: Iterable[VocabularyConcept]) -> None:
    """Raises VocabularyError: a URI would stand for two of the concepts."""
    if twice := list(claimed_twice(concepts)):
        uri, one, other = twice[0]
        claim = f"and {other} has it as exactMatch" if uri == one else f"of {one} and of {other}"
        said = f"is a concept {claim}" if uri == one else f"is an exactMatch {claim}"
        more = f" {len(twice) - 1:,} more URIs have the same problem." if twice[1:] else ""
        raise VocabularyError(
            f"{uri} {said}, so its meaning is not clear. Remove the exactMatch from the "
            f"concept that means something else.{more} `harvester vocabulary check` lists all "
            "of them."
        )
