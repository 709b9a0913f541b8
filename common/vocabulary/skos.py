"""SKOS, read by rdflib: the standard's own terms, and those of Getty's AAT and of Europeana.

This module fetches no file: a JSON-LD context that lies elsewhere is refused, but for Europeana's,
which is known. rdflib is loaded here alone, since it takes a third of a second.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any
from typing import Literal as OneOf
from xml.sax import SAXParseException

from rdflib import RDF, SKOS, Graph, Literal, Namespace, URIRef
from rdflib.plugins.parsers.notation3 import BadSyntax
from rdflib.term import Node

from common.errors import VocabularyError
from common.europeana.concept_uris import current_concept_uri, is_concept_uri
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, with_categories

Form = OneOf["turtle", "xml", "json-ld"]

GVP = Namespace("http://vocab.getty.edu/ontology#")
XL = Namespace("http://www.w3.org/2008/05/skos-xl#")
_EUROPEANA_CONTEXT = "europeana.eu/schemas/context/entity.jsonld"
# https://europeana.atlassian.net/wiki/spaces/EF/pages/2324561923 (Entity API)
ENTITY_CONTEXT: Mapping[str, Any] = {
    "id": "@id",
    "type": "@type",
    "items": str(SKOS.member),  # a page of search results
    "Concept": str(SKOS.Concept),
    **{
        name: {"@id": str(SKOS[name]), "@container": "@language"}
        for name in ("prefLabel", "altLabel", "definition", "note", "scopeNote")
    },
    **{
        name: {"@id": str(SKOS[name]), "@type": "@id"}
        for name in ("broader", "narrower", "exactMatch", "inScheme")
    },
    "notation": str(SKOS.notation),
}

_EXPECTED = re.compile(r"Bad syntax \((.*?)\) at ")  # rdflib goes on with the text around it
_OF_NAMESPACE = re.compile(r"""<!ENTITY\s+[\w.-]+\s+(["'])https?://[^&%"']*\1\s*>""")
_CONCEPT_TYPES = (SKOS.Concept, GVP.Concept)
_BROADER = (SKOS.broader, GVP.broaderPreferred)
_DEFINITIONS = (SKOS.definition, SKOS.scopeNote, SKOS.note)  # the first that a language has
_LITERAL_FORMS = (XL.literalForm, GVP["term"], RDF.value)  # `term` is a method of a namespace


def read_skos(
    path: Path,
    text: str,
    form: Form,
    *,
    schemes: Collection[str] = (),
    exclude: Collection[str] = (),
) -> Vocabulary:
    """The concepts of a SKOS document.

    Args:
        schemes: only concepts in one of these concept schemes, by URI.
        exclude: URIs of concepts that are left out, with all that is narrower.

    Raises:
        VocabularyError: it has another form (names the line), no concept, or concepts that do not
            make a vocabulary (names them).
    """
    graph = _parsed(path, text, form)
    concepts = [_concept(graph, uri) for uri in _subjects(graph, schemes)]
    given = Vocabulary(tuple(concepts))
    left_out = {current_concept_uri(uri) for uri in exclude}
    if unknown := sorted(left_out - given.by_uri.keys()):
        raise VocabularyError(f"There is no concept {unknown[0]} to exclude.")
    left_out |= {below for uri in left_out for below in given.narrower(uri)}
    return Vocabulary.of(with_categories(each for each in concepts if each.uri not in left_out))


def _parsed(path: Path, text: str, form: Form) -> Graph:
    graph = Graph(bind_namespaces="none")
    if form == "xml" and text.count("<!ENTITY") > len(_OF_NAMESPACE.findall(text)):
        raise VocabularyError(f"{path} declares XML entities that are not the URI of a namespace.")
    if form == "json-ld":
        text = json.dumps(_with_known_contexts(path, text))
    try:
        return graph.parse(data=text, format=form, publicID="urn:vocabulary:")
    except BadSyntax as error:
        found = _EXPECTED.search(str(error))
        why = found[1] if found else "bad syntax"
        raise VocabularyError(
            f"{path}, line {error.lines + 1}: not valid Turtle ({why})."
        ) from error
    except SAXParseException as error:
        line = error.getLineNumber()
        raise VocabularyError(
            f"{path}, line {line}: not valid RDF/XML ({error.getMessage()})."
        ) from error
    except Exception as error:  # rdflib's parsers raise whatever comes
        raise VocabularyError(f"{path} cannot be read as {form}: {error}.") from error


def _with_known_contexts(path: Path, text: str) -> Any:
    """The document without contexts that would have to be fetched."""
    try:
        return _localised(json.loads(text))
    except RecursionError as error:
        raise VocabularyError(f"{path} is nested too deeply to be a vocabulary.") from error
    except json.JSONDecodeError as error:
        raise VocabularyError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
    except (ValueError, VocabularyError) as error:
        raise VocabularyError(f"{path}: {error}") from error


def _localised(value: Any) -> Any:
    if isinstance(value, list):
        return [_localised(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "@import" in value:
        raise VocabularyError("An @import is not fetched. Write the context into the file.")
    return {
        name: _known_context(each) if name == "@context" else _localised(each)
        for name, each in value.items()
    }


def _known_context(context: Any) -> Any:
    if isinstance(context, list):
        return [_known_context(each) for each in context]
    if not isinstance(context, str):
        return _localised(context)
    if context.partition("://")[2].removeprefix("www.") == _EUROPEANA_CONTEXT:
        return ENTITY_CONTEXT
    raise VocabularyError(
        f"The context {context[:200]} is only an address, and addresses are not fetched. "
        "Write the context into the file, or convert the file to Turtle."
    )


def _subjects(graph: Graph, schemes: Collection[str]) -> list[URIRef]:
    found: set[Node] = set()
    for kind in _CONCEPT_TYPES:
        found.update(graph.subjects(RDF.type, kind))
    if schemes:
        wanted = {URIRef(uri) for uri in schemes}
        inside = {subject for uri in wanted for subject in graph.subjects(SKOS.inScheme, uri)}
        inside |= {subject for uri in wanted for subject in graph.subjects(SKOS.topConceptOf, uri)}
        found &= inside
    for each in found:
        if not isinstance(each, URIRef) or not is_concept_uri(str(each)):
            raise VocabularyError(f"A concept needs a URI that begins with http, not {each}.")
    return sorted(uri for uri in found if isinstance(uri, URIRef))


def _concept(graph: Graph, uri: URIRef) -> VocabularyConcept:
    said: defaultdict[Node, list[Node]] = defaultdict(list)
    for predicate, value in graph.predicate_objects(uri):
        said[predicate].append(value)
    labels = _by_language(graph, said[SKOS.prefLabel], said[XL.prefLabel])
    alternatives = _by_language(graph, said[SKOS.altLabel], said[XL.altLabel])
    for language, texts in labels.items():  # one is preferred; a second one is not lost
        alternatives[language] = alternatives.get(language, []) + texts[1:]
    notations = sorted(str(each) for each in said[SKOS.notation])
    return VocabularyConcept(
        uri=current_concept_uri(str(uri)),
        category="",
        labels={language: texts[0] for language, texts in sorted(labels.items())},
        alternatives={
            language: tuple(sorted(set(texts)))
            for language, texts in sorted(alternatives.items())
            if texts
        },
        definitions=_definitions(graph, said),
        broader=tuple(sorted({*_linked(said, *_BROADER), *_above(graph, uri)})),
        exact_matches=tuple(sorted(set(_linked(said, SKOS.exactMatch)))),
        notation=notations[0] if notations else None,
    )


def _above(graph: Graph, uri: URIRef) -> Iterator[str]:
    """The concepts that say of themselves that this one is narrower."""
    for each in graph.subjects(SKOS.narrower, uri):
        yield current_concept_uri(str(each))


def _linked(said: Mapping[Node, list[Node]], *predicates: URIRef) -> Iterator[str]:
    for predicate in predicates:
        for value in said.get(predicate, ()):
            if is_concept_uri(str(value)):  # some write links as texts
                yield current_concept_uri(str(value))


def _definitions(graph: Graph, said: Mapping[Node, list[Node]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for predicate in _DEFINITIONS:
        for language, texts in _by_language(graph, said.get(predicate, [])).items():
            found.setdefault(language, texts[0])
    return dict(sorted(found.items()))


def _by_language(graph: Graph, *values: list[Node]) -> dict[str, list[str]]:
    """Texts by language, in alphabetical order; of a label with a URI, what it says of itself."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for value in chain.from_iterable(values):
        for literal in _literals(graph, value):
            if text := " ".join(str(literal).split()):
                found[(literal.language or "").lower()].add(text)
    return {language: sorted(texts) for language, texts in found.items()}


def _literals(graph: Graph, value: Node) -> Iterator[Literal]:
    if isinstance(value, Literal):
        yield value
        return
    for form in _LITERAL_FORMS:
        for each in graph.objects(value, form):
            if isinstance(each, Literal):
                yield each
