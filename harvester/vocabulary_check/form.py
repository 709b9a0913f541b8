"""Offline checks of a vocabulary file: its form, and what is in it twice."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.europeana.concept_uris import current_concept_uri
from common.vocabulary.concepts import Vocabulary, main_label
from common.vocabulary.plain import as_written, label_problem, uri_problem
from common.vocabulary.reading import read_plain_pairs, read_vocabulary
from common.vocabulary.standing import claimed_twice
from harvester.vocabulary_check.findings import VocabularyFinding


def check_form(path: Path) -> tuple[list[VocabularyFinding], Vocabulary | None]:
    """The findings in the order of the labels, and the vocabulary, unless one must change.

    Raises:
        VocabularyError: the file holds no vocabulary.
    """
    pairs = read_plain_pairs(path) or []
    findings = [*_check_shape(pairs), *_check_duplicates(pairs)]
    order = {label: number for number, (label, _) in enumerate(pairs)}
    findings.sort(key=lambda finding: order[finding.label])
    if any(finding.must_change for finding in findings):
        return findings, None
    vocabulary = read_vocabulary(path)
    findings += _check_matches(vocabulary)
    return findings, vocabulary


def _check_matches(vocabulary: Vocabulary) -> Iterator[VocabularyFinding]:
    for uri, first, second in claimed_twice(vocabulary.concepts):
        yield VocabularyFinding(
            label=main_label(vocabulary.by_uri[second].labels),
            uri=second,
            finding=f"its exactMatch {uri} stands for {first} already",
            advice="take it away from the one that means something else",
        )


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
        spelling = label.strip().casefold()
        if spelling in labels:
            yield VocabularyFinding(
                label=label, uri=_shown(uri), finding="the label is there twice", advice="keep one"
            )
        labels.add(spelling)
        if uri_problem(uri):
            continue
        first = label_of.setdefault(current_concept_uri(uri), label)
        if first != label:
            finding = f"the same concept as {first}"
            yield VocabularyFinding(
                label=label, uri=uri, finding=finding, advice="keep one of the two"
            )


def _shown(uri: Any) -> str:
    return uri if isinstance(uri, str) else as_written(uri)
