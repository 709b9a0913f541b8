"""The annotations that the sandbox holds, in memory, and the index that searches read.

As at Europeana, the store and the index are two things: a new annotation can be read at once, and
is found later, or never if it came in a batch. An annotation that was deleted keeps its number.
"""

import hashlib
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from deploy.sandbox.annotations.forms import AnnotationForm, Json

ANNOTATION_CONTEXT = "http://www.w3.org/ns/anno.jsonld"
BASE = "http://data.europeana.eu/annotation/"
VERSION = "sandbox"  # the server's version is part of its ETags
NEVER = math.inf
Term = tuple[str, str]  # a field of the index, and its value


@dataclass(frozen=True)
class StoredAnnotation:
    """One annotation, whether it stands or was deleted; `found_from` is of `time.monotonic`."""

    number: int
    form: AnnotationForm
    creator: Json
    generator: Json
    created: datetime
    modified: datetime
    found_from: float
    deleted: datetime | None = None
    reports: frozenset[str] = frozenset()  # URIs of users

    @property
    def id(self) -> str:
        return f"{BASE}{self.number}"

    @property
    def record(self) -> str | None:
        """The ID of the record: `/dataset/local`."""
        return self.form.record

    @property
    def body(self) -> str | None:
        """The URI, or the text, of the body."""
        return self.form.body_uri or self.form.text

    @property
    def canonical(self) -> str | None:
        canonical: str | None = self.form.members.get("canonical")
        return canonical

    @property
    def creator_uri(self) -> str:
        return str(self.creator.get("id"))

    @property
    def score(self) -> int:
        """The moderation score: each report takes one away."""
        return -len(self.reports)

    @property
    def etag(self) -> str:
        text = f"{self.modified.isoformat()}json-ld{VERSION}"
        return f'"{hashlib.md5(text.encode()).hexdigest()}"'

    def document(self) -> Json:
        """The annotation in JSON-LD, as every answer shows it."""
        times = {"created": iso(self.created), "generated": iso(self.modified)}
        agents = {"creator": self.creator, "generator": self.generator}
        start = {"@context": ANNOTATION_CONTEXT, "id": self.id, "type": "Annotation"}
        return start | self.form.members | times | agents

    def terms(self) -> Iterator[Term]:
        """What the index finds it by; the last term is that of its duplicates."""
        yield "motivation", self.form.motivation
        yield "creator_uri", self.creator_uri
        yield "generator_uri", str(self.generator.get("id"))
        if self.record:
            yield "target_record_id", self.record
        if self.form.body_uri:
            yield "body_uri", self.form.body_uri
        if same := duplicate_term(self.form):
            yield same


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def duplicate_term(form: AnnotationForm) -> Term | None:
    """The term that all annotations share that say the same: only tags are compared."""
    if form.motivation != "tagging" or form.record is None:
        return None
    return "duplicate", f"{form.record} {form.body_uri or form.text}"


class AnnotationStore:
    """May be used by several threads. Annotations are numbered from `first`."""

    def __init__(self, first: int = 1) -> None:
        self._first = first
        self._all: dict[int, StoredAnnotation] = {}
        self._standing: dict[int, StoredAnnotation] = {}
        self._index: defaultdict[Term, dict[int, StoredAnnotation]] = defaultdict(dict)
        self._lock = threading.Lock()

    @property
    def created(self) -> int:
        """How many annotations were ever created."""
        return len(self._all)

    @property
    def deleted(self) -> int:
        """How many annotations are deleted now."""
        return len(self._all) - len(self._standing)

    def add(self, **values: Any) -> StoredAnnotation:
        """Keeps a new annotation under the next number."""
        with self._lock:
            added = StoredAnnotation(number=self._first + len(self._all), **values)
            self._put(added)
            return added

    def change(self, number: int, **changes: Any) -> StoredAnnotation:
        """Replaces fields of an annotation; a KeyError if there is none of this number."""
        with self._lock:
            changed = replace(self._all[number], **changes)
            self._put(changed)
            return changed

    def report(self, number: int, user: str) -> None:
        """Notes that a user reported an annotation; a KeyError if there is none."""
        self.change(number, reports=self._all[number].reports | {user})

    def get(self, number: int) -> StoredAnnotation | None:
        return self._all.get(number)

    def standing(self) -> list[StoredAnnotation]:
        """All that are not deleted, by number."""
        with self._lock:
            return sorted(self._standing.values(), key=_number)

    def gone(self) -> list[StoredAnnotation]:
        """All that are deleted, by number."""
        with self._lock:
            return [one for one in self._all.values() if one.deleted]

    def find(self, terms: Iterable[Term]) -> list[StoredAnnotation]:
        """Those that stand, are in the index by now, and have all of the terms; by number."""
        now = time.monotonic()
        with self._lock:
            parts = [self._index.get(term, {}) for term in terms] or [self._standing]
            fewest = min(parts, key=len)
            found = [
                one
                for number, one in fewest.items()
                if one.found_from <= now and all(number in part for part in parts)
            ]
        return sorted(found, key=_number)

    def _put(self, annotation: StoredAnnotation) -> None:
        number = annotation.number
        if before := self._standing.pop(number, None):
            for term in before.terms():
                self._index[term].pop(number, None)
        self._all[number] = annotation
        if annotation.deleted is None:
            self._standing[number] = annotation
            for term in annotation.terms():
                self._index[term][number] = annotation


def _number(annotation: StoredAnnotation) -> int:
    return annotation.number
