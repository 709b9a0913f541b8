"""What programs send and get that talk to Annif's API; fields that Annif does not know are ours.

The forms are those of Annif 1.4 (https://github.com/NatLibFi/Annif, annif/openapi/annif.yaml).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from desk.api.annif.suggester import MOST_PICTURES, SuggestionAnswer
from desk.api.declaring import NoQuery
from desk.api.problems import SHOWN

BACKEND = "image-enrichment"
MANY_LANGUAGES = "mul"  # in ISO 639-2: a model has labels in all languages of its vocabulary

Limit = Annotated[int, Field(ge=0, le=10_000, description="how many concepts at most")]
LeastScore = Annotated[float, Field(ge=0, le=1, description="the least score")]
Language = Annotated[str, Field(description="of labels: a tag such as de, or several with commas")]


class SuggestQuery(NoQuery):
    """What a request with several documents asks for."""

    limit: Limit = 10
    threshold: LeastScore = 0.0
    language: Language = ""


class SuggestForm(BaseModel):
    """A document. Fields `metadata_*` that name no picture are ignored, as is `project`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    text: str = ""
    limit: Limit = 10
    threshold: LeastScore = 0.0
    language: Language = ""
    picture: bytes | None = None
    record: str = ""
    picture_url: str = ""
    metadata_europeana_id: str = ""
    metadata_image_url: str = ""
    project: str = Field(default="", description="Annif's backend may send it; it is ignored")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        unknown = [name for name in self.model_extra or () if not name.startswith("metadata_")]
        if unknown:
            known = ", ".join(SuggestForm.model_fields)
            raise PydanticCustomError(
                "unknown_fields",
                "unknown fields: {unknown}. Known fields: {known}, and other metadata_*",
                {"unknown": ", ".join(unknown[:SHOWN]), "known": known},
            )
        return self

    @property
    def texts(self) -> dict[str, str]:
        return {name: value for name, value in self if isinstance(value, str)}


@dataclass(frozen=True, kw_only=True)
class AnnifBackend:
    backend_id: str = BACKEND


@dataclass(frozen=True, kw_only=True)
class AnnifProject:
    """A model. `project_id` is NAME@VERSION; NAME alone means the version in service."""

    project_id: str
    name: str
    modification_time: datetime
    language: str = MANY_LANGUAGES
    backend: AnnifBackend = field(default_factory=AnnifBackend)
    is_trained: bool = True


@dataclass(frozen=True, kw_only=True)
class AnnifProjects:
    projects: tuple[AnnifProject, ...]


class KnownMembers:
    """Base of JSON objects in requests: a member that they do not have is refused."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class AnnifDocument(KnownMembers):
    """A document. Its picture is named by `record`, by `picture_url`, by `europeana_id` or
    `image_url` in the metadata, or by a text that is a record ID or a URL and nothing else."""

    text: str = ""
    document_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    record: str = ""
    picture_url: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """As the fields of a form have it."""
        named = {f"metadata_{name}": value for name, value in self.metadata.items()}
        return named | {"text": self.text, "record": self.record, "picture_url": self.picture_url}


@dataclass(frozen=True, kw_only=True)
class AnnifDocuments(KnownMembers):
    documents: Annotated[list[AnnifDocument], Field(max_length=MOST_PICTURES)]


@dataclass(frozen=True, kw_only=True)
class DocumentAnswer(SuggestionAnswer):
    """The answer for a document of several."""

    document_id: str | None = None

    @classmethod
    def of(cls, document: AnnifDocument, answer: SuggestionAnswer) -> "DocumentAnswer":
        return cls(document_id=document.document_id, results=answer.results, failure=answer.failure)


@dataclass(frozen=True, kw_only=True)
class AnnifSubject(KnownMembers):
    """A concept that a document has. The label is for people."""

    uri: str
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class IndexedDocument(AnnifDocument):
    """A document that names its record, and the concepts that its picture shows."""

    subjects: Annotated[list[AnnifSubject], Field(min_length=1)]
