"""A statement as an annotation: what is posted, and how ours is known from those of others."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.europeana.linked_data import CONTEXT, iri
from common.europeana.record_ids import item_uri


@dataclass(frozen=True, kw_only=True)
class PostedStatement:
    """What an annotation says: a concept of a record, under a name of ours."""

    record_id: str
    concept_uri: str
    name: UUID
    page: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The body of a request; `page` says where the statement comes from."""
        made = {
            "@context": CONTEXT,
            "type": "Annotation",
            "motivation": "tagging",
            "canonical": f"urn:uuid:{self.name}",
            "body": iri(self.concept_uri),
            "target": item_uri(self.record_id),
        }
        return made if self.page is None else made | {"via": self.page}

    def is_said_by(self, annotation: dict[str, Any]) -> bool:
        """Whether an annotation is the one that was posted for this statement."""
        body = annotation.get("body")
        said = body.get("id") or body.get("source") if isinstance(body, dict) else body
        return (annotation.get("canonical"), said, annotation.get("target")) == (
            f"urn:uuid:{self.name}",
            iri(self.concept_uri),
            item_uri(self.record_id),
        )
