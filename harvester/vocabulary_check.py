"""Checks of a vocabulary file: its form, duplicates, and changes at Europeana."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.europeana.concept_uris import current_concept_uri
from common.europeana.entities import EntityApi
from common.vocabulary.plain import as_written, label_problem, plain_pairs, uri_problem


@dataclass(frozen=True, kw_only=True)
class VocabularyFinding:
    """A finding about a label; unless `must_change`, the vocabulary works as it is."""

    label: str
    uri: str
    finding: str
    advice: str
    must_change: bool = True


def check_vocabulary(path: Path, api: EntityApi | None = None) -> list[VocabularyFinding]:
    """The findings in a vocabulary file, in the order of its labels; `api` asks Europeana as well.

    Raises:
        VocabularyError: the file is no JSON object with labels.
        ApiError: the Entity API does not answer.
    """
    pairs = plain_pairs(path, path.read_text())
    findings = [*_check_shape(pairs), *_check_duplicates(pairs)]
    if api is not None:
        findings += _check_online(pairs, api)
    order = {label: number for number, (label, _) in enumerate(pairs)}
    return sorted(findings, key=lambda finding: order[finding.label])


def _check_shape(pairs: Sequence[tuple[str, Any]]) -> Iterator[VocabularyFinding]:
    for label, uri in pairs:
        if problem := label_problem(label):
            yield VocabularyFinding(
                label=label, uri=_shown(uri), finding=problem, advice="rename the label"
            )
        if problem := uri_problem(uri):
            advice = "name the concept, or remove the label"
            yield VocabularyFinding(label=label, uri=_shown(uri), finding=problem, advice=advice)
        elif (current := current_concept_uri(uri)) != uri:
            yield VocabularyFinding(
                label=label,
                uri=uri,
                finding="old form of the URI, read as today's",
                advice=f"write {current}",
                must_change=False,
            )


def _check_duplicates(pairs: Sequence[tuple[str, Any]]) -> Iterator[VocabularyFinding]:
    labels: set[str] = set()
    label_of: dict[str, str] = {}
    for label, uri in pairs:
        if label in labels:
            yield VocabularyFinding(
                label=label, uri=_shown(uri), finding="the label is there twice", advice="keep one"
            )
        labels.add(label)
        if uri_problem(uri):
            continue
        first = label_of.setdefault(current_concept_uri(uri), label)
        if first != label:
            finding = f"the same concept as {first}"
            yield VocabularyFinding(
                label=label, uri=uri, finding=finding, advice="keep one of the two"
            )


def _check_online(pairs: Sequence[tuple[str, Any]], api: EntityApi) -> Iterator[VocabularyFinding]:
    concepts = {label: current_concept_uri(uri) for label, uri in pairs if not uri_problem(uri)}
    label_of = {uri: label for label, uri in concepts.items()}
    for label, uri in concepts.items():
        present = api.present_concept(uri)
        if present == uri:
            continue
        other = label_of.get(present or "", "")
        yield _changed(label, uri, present, other=other)
        if present is not None:
            label_of.setdefault(present, label)


def _changed(label: str, uri: str, present: str | None, *, other: str) -> VocabularyFinding:
    """The finding on a concept whose URI at Europeana is not `uri` any more."""
    is_own = uri.startswith("http://data.europeana.eu/")
    finding, advice = f"at Europeana today: {present}", f"write {present}"
    if other:
        advice = f"that is {other}: keep one of the two"
    elif present is None and is_own:
        finding, advice = "Europeana no longer has this concept", "choose another, or remove it"
    elif present is None:
        finding, advice = "Europeana has no concept of its own for this", "nothing"
    elif not is_own:
        advice = f"nothing; {present} may find more records"
    must_change = bool(other) or is_own
    return VocabularyFinding(
        label=label, uri=uri, finding=finding, advice=advice, must_change=must_change
    )


def _shown(uri: Any) -> str:
    return uri if isinstance(uri, str) else as_written(uri)
