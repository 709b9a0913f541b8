"""What a check of a vocabulary tells."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VocabularyFinding:
    """A finding about a concept; unless `must_change`, the vocabulary works as it is."""

    label: str
    uri: str
    finding: str
    advice: str
    must_change: bool = True


@dataclass(frozen=True, kw_only=True)
class UriRecords:
    """How many records with pictures name a concept by this URI; an `equivalent` is Europeana's."""

    uri: str
    records: int
    equivalent: bool = False


@dataclass(frozen=True, kw_only=True)
class ConceptRecords:
    """How many records with pictures name a concept by any of its URIs, and how many by each."""

    label: str
    uri: str
    records: int
    by_uri: Sequence[UriRecords]


@dataclass(frozen=True, kw_only=True)
class VocabularyCheck:
    """All findings, and the records of each concept that Europeana was asked for."""

    findings: Sequence[VocabularyFinding]
    records: Sequence[ConceptRecords]
