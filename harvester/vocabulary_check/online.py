"""What Europeana says of a vocabulary's concepts: what became of them, and who finds more records.

A search finds the URIs that records have, as their providers and Europeana wrote them. So a concept
that no record has by this URI may have an equivalent that finds many.
"""

from collections.abc import Iterable, Iterator

from common.europeana.api import EuropeanaApi, SearchQuery, concept_refinement, query_batches
from common.europeana.concept_uris import concept_uri_forms
from common.europeana.entities import EntityApi, PresentConcept
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, main_label
from common.vocabulary.standing import uris_of
from harvester.vocabulary_check.findings import ConceptRecords, UriRecords, VocabularyFinding

MOST_EQUIVALENTS = 5  # of an entity, beside its own URI; some have twenty
_EUROPEANA = "http://data.europeana.eu/"
_PREFERRED = (_EUROPEANA, "http://vocab.getty.edu/aat/", "http://www.wikidata.org/entity/")


class OnlineCheck:
    """Asks about the concepts of a vocabulary, one by one."""

    def __init__(self, vocabulary: Vocabulary, search: EuropeanaApi, entities: EntityApi) -> None:
        self._search = search
        self._entities = entities
        self._used = {uri for each in vocabulary.concepts for uri in uris_of(each)}
        self._concepts = dict(vocabulary.by_uri)  # and by Europeana's URI, once that is known

    def ask(self, concept: VocabularyConcept) -> tuple[ConceptRecords, VocabularyFinding | None]:
        """The records of a concept, and what is to be said of it.

        Raises:
            ApiError: an API does not answer.
        """
        by_uri = [UriRecords(uri=uri, records=self._count([uri])) for uri in uris_of(concept)]
        records = self._together(by_uri)
        asked, present = self._present(concept)
        finding = self._changed(concept, asked, present)
        if finding is None:
            by_uri += self._finding_more(present, records)
            finding = _on_records(concept, records, by_uri)
        label = main_label(concept.labels)
        told = ConceptRecords(label=label, uri=concept.uri, records=records, by_uri=by_uri)
        return told, finding

    def _count(self, uris: Iterable[str]) -> int:
        forms = [form for uri in uris for form in concept_uri_forms(uri)]
        return sum(
            self._search.count(
                SearchQuery(refinements=(concept_refinement(part), "TYPE:IMAGE"), profile="minimal")
            )
            for part in query_batches(forms)
        )

    def _together(self, by_uri: list[UriRecords]) -> int:
        finding = [each.uri for each in by_uri if each.records]
        return self._count(finding) if len(finding) > 1 else sum(each.records for each in by_uri)

    def _present(self, concept: VocabularyConcept) -> tuple[str, PresentConcept | None]:
        """Europeana's concept for this one, and by which URI it knows it."""
        asked = [concept.uri]
        if not concept.uri.startswith(_EUROPEANA):
            asked += _preferred(concept.exact_matches)
        for uri in asked:
            if present := self._entities.present_concept(uri):
                return uri, present
        return concept.uri, None

    def _changed(
        self, concept: VocabularyConcept, asked: str, present: PresentConcept | None
    ) -> VocabularyFinding | None:
        """The finding on a concept that Europeana has no more, or under another URI."""
        if present is None:
            if not asked.startswith(_EUROPEANA):
                return None
            finding, advice = "Europeana no longer has this concept", "choose another, or remove it"
        else:
            first = self._concepts.setdefault(present.uri, concept)
            finding, advice = f"at Europeana today: {present.uri}", f"write {present.uri}"
            if first != concept:
                advice = f"that is {main_label(first.labels)}: keep one of the two"
            elif present.uri == asked or not asked.startswith(_EUROPEANA):
                return None
            elif asked != concept.uri:
                finding = f"its exactMatch {asked} is {present.uri} at Europeana today"
        return VocabularyFinding(
            label=main_label(concept.labels), uri=concept.uri, finding=finding, advice=advice
        )

    def _finding_more(self, present: PresentConcept | None, records: int) -> list[UriRecords]:
        """Equivalents that the vocabulary lacks, if one of them may find more than this."""
        if present is None:
            return []
        near = (present.uri, *_preferred(present.exact_matches))
        others = [uri for uri in dict.fromkeys(near) if uri not in self._used]
        if not others or self._count(others) <= records:
            return []
        return [UriRecords(uri=uri, records=self._count([uri]), equivalent=True) for uri in others]


def _on_records(
    concept: VocabularyConcept, records: int, by_uri: list[UriRecords]
) -> VocabularyFinding | None:
    better = [each for each in by_uri if each.equivalent and each.records > records]
    if records and not better:
        return None
    finding, advice = "finds no record", "choose another, or expect none"
    if better:
        best = max(better, key=lambda each: each.records)
        finding = f"finds {records:,} records; its equivalent {best.uri} finds {best.records:,}"
        advice = "add that as exactMatch, or use it instead"
    return VocabularyFinding(
        label=main_label(concept.labels),
        uri=concept.uri,
        finding=finding,
        advice=advice,
        must_change=not records and bool(better),
    )


def _preferred(uris: Iterable[str]) -> Iterator[str]:
    """The first few URIs: of Europeana, then AAT, then Wikidata, then others."""

    def place(uri: str) -> int:
        return next((n for n, start in enumerate(_PREFERRED) if uri.startswith(start)), 9)

    yield from sorted(uris, key=place)[:MOST_EQUIVALENTS]
