"""The concepts that a harvest searches, and the URIs by which records name them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from common.errors import UsageError
from common.europeana.concept_uris import concept_uri_forms, current_concept_uri
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, category_of
from common.vocabulary.standing import check_claimed_once, uris_of


class SearchedConcepts:
    """Some concepts of a vocabulary, each with the URIs that stand for it.

    These are its own URI and its exact matches; with `narrower` also those of all concepts below
    it. With `nearest` what is below two of them stands for the lower one alone.

    Raises:
        VocabularyError: a URI would stand for two concepts.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        chosen: Collection[str] = (),
        *,
        narrower: bool = False,
        nearest: bool = False,
    ) -> None:
        wanted = [each for each in vocabulary.concepts if not chosen or each.uri in chosen]
        self.categories = {each.category: each.uri for each in wanted}
        self._below = {each.uri: frozenset(vocabulary.narrower(each.uri)) for each in wanted}
        meant: defaultdict[str, set[str]] = defaultdict(set)
        for each in wanted:
            meant[each.uri].add(each.uri)
            for uri in self._below[each.uri] if narrower else ():
                meant[uri].add(each.uri)
        check_claimed_once(vocabulary.by_uri[uri] for uri in meant)
        self._concepts_by_uri = {
            uri: self.nearest(concepts) if nearest else frozenset(concepts)
            for member, concepts in meant.items()
            for uri in uris_of(vocabulary.by_uri[member])
        }
        self._uris_by_concept: defaultdict[str, list[str]] = defaultdict(list)
        for uri, concepts in self._concepts_by_uri.items():
            for concept in concepts:
                self._uris_by_concept[concept].append(uri)

    def named_by(self, uris: Iterable[str]) -> frozenset[str]:
        """The concepts for which URIs stand, in today's form."""
        return frozenset().union(*(self._concepts_by_uri.get(uri, ()) for uri in uris))

    def nearest(self, concepts: Collection[str]) -> frozenset[str]:
        """The concepts without those that are above another of them."""
        return frozenset(uri for uri in concepts if self._below[uri].isdisjoint(concepts))

    def forms(self, concept: str) -> tuple[str, ...]:
        """All forms of all URIs that stand for a concept, its own first."""
        others = sorted(uri for uri in self._uris_by_concept[concept] if uri != concept)
        return tuple(form for uri in (concept, *others) for form in concept_uri_forms(uri))


def chosen_concepts(vocabulary: Vocabulary, names: Sequence[str]) -> tuple[str, ...]:
    """The URIs of concepts that are given as URI, category or label.

    Raises:
        UsageError: the vocabulary has no such concept, or several.
    """
    return tuple(_chosen(vocabulary, name) for name in names)


def _chosen(vocabulary: Vocabulary, name: str) -> str:
    for known in (current_concept_uri(name), vocabulary.categories.get(name)):
        if known in vocabulary.by_uri:
            return str(known)
    found = [each for each in vocabulary.concepts if _is_called(each, name)]
    if len(found) == 1:
        return found[0].uri
    if found:
        named = " and ".join(each.uri for each in found[:2])
        raise UsageError(
            f"--concept {name!r} is the label of {named}. Give the URI of one concept."
        )
    raise UsageError(
        f"The vocabulary has no concept {name!r}; give a URI, a category or a label of this "
        "vocabulary."
    )


def _is_called(concept: VocabularyConcept, name: str) -> bool:
    """By a label or an alternative, whatever its case and its signs are."""
    texts = (*concept.labels.values(), *chain.from_iterable(concept.alternatives.values()))
    return category_of(name) in map(category_of, texts)
