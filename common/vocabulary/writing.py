"""A vocabulary as a file: SKOS in Turtle, RDF/XML or JSON-LD, or the plain form."""

import json
from collections.abc import Iterator
from pathlib import PurePath

from common.errors import UsageError
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, main_label

FORMS = {".ttl": "turtle", ".rdf": "xml", ".xml": "xml", ".jsonld": "json-ld", ".json": "plain"}


def form_of(target: str) -> str:
    """The form that the end of a file's name asks for; Turtle for standard output (`-`).

    Raises:
        UsageError: no form ends in this way.
    """
    suffix = PurePath(target).suffix.lower()
    if target != "-" and suffix not in FORMS:
        raise UsageError(
            f"{target} must end in one of {', '.join(FORMS)}, which decides the format."
        )
    return FORMS.get(suffix, "turtle")


def written(vocabulary: Vocabulary, form: str) -> str:
    """The text of a file in one of FORMS. The plain form has one label a concept and no links."""
    if form == "plain":
        pairs = {main_label(each.labels): each.uri for each in vocabulary.concepts}
        if len(pairs) < len(vocabulary.concepts):
            raise UsageError(
                "Two concepts have the same label in different languages, and the plain form "
                "has no languages. Write Turtle (.ttl)."
            )
        return json.dumps(pairs, ensure_ascii=False, indent=4) + "\n"
    return _skos(vocabulary, form)


def _skos(vocabulary: Vocabulary, form: str) -> str:
    from rdflib import RDF, SKOS, Graph, Literal, URIRef

    graph = Graph(bind_namespaces="none")
    graph.bind("skos", SKOS)
    for each in vocabulary.concepts:
        subject = URIRef(each.uri)
        graph.add((subject, RDF.type, SKOS.Concept))
        for name, text, language in _texts(each):
            graph.add((subject, SKOS[name], Literal(text, lang=language or None)))
        links = [("broader", uri) for uri in each.broader]
        links += [("exactMatch", uri) for uri in each.exact_matches]
        for name, uri in links:
            graph.add((subject, SKOS[name], URIRef(uri)))
    if form == "json-ld":
        return graph.serialize(format=form, context={"skos": str(SKOS)})
    return graph.serialize(format=form)


def _texts(concept: VocabularyConcept) -> Iterator[tuple[str, str, str]]:
    """The texts of a concept, each with its property before and its language after it."""
    yield from (("prefLabel", text, language) for language, text in concept.labels.items())
    for language, texts in concept.alternatives.items():
        yield from (("altLabel", text, language) for text in texts)
    yield from (("definition", text, language) for language, text in concept.definitions.items())
    if concept.notation is not None:
        yield "notation", concept.notation, ""
