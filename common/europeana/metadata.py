"""What Europeana says of a record: one form, whether the Search or the Record API said it.

Search gives flat items with lists; the Record API gives aggregations and proxies with strings and
language maps. Sources: https://europeana.atlassian.net/wiki/spaces/EF/pages/2385739812 (Search),
.../2385674279 (Record), and the members that real answers have.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from common.errors import UnknownFormError
from common.europeana.concept_uris import current_concept_uri
from common.process.wrong_values import in_words

_OF_THE_KEY = re.compile(r"(?<=[?&])(?:wskey|utm_campaign)=[^&#]*&?", re.IGNORECASE)
_LANGUAGES = ("en", "def")  # of several translations these come first; def: no language given
_SHOWN_ERRORS = 3


@dataclass(frozen=True, kw_only=True)
class RecordMetadata:
    """A record; `concepts` are URIs in today's form.

    `media_url` is the provider's file (edmIsShownBy), `preview_url` Europeana's preview of it
    as given (edmPreview). No text holds a NUL character, no URL an API key.
    """

    id: str
    media_url: str | None = None
    preview_url: str | None = None
    rights: str | None = None
    data_provider: str | None = None
    type: str | None = None
    title: str | None = None
    concepts: tuple[str, ...] = ()


def _texts(value: Any) -> tuple[str, ...]:
    """The texts in a string, a list of strings, or a map from language to either."""
    if value is None:
        return ()
    if isinstance(value, str):
        text = storable(value).strip()
        return (text,) if text else ()
    if isinstance(value, list):
        return tuple(text for part in value for text in _texts(part))
    if isinstance(value, Mapping):
        first = [language for language in _LANGUAGES if language in value]
        rest = [language for language in value if language not in _LANGUAGES]
        return tuple(text for language in first + rest for text in _texts(value[language]))
    raise ValueError("expected a text, a list of texts or a map of languages")


def storable(text: str) -> str:
    """Remove what JSON can hold and Postgres cannot: NUL and half surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
RecordId = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_]+/[A-Za-z0-9_]+\z")]


class _Part(BaseModel):
    """A part of an answer; members that we do not use are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class SearchItem(_Part):
    id: RecordId
    type: Texts = ()
    title: Texts = ()
    rights: Texts = ()
    data_provider: Texts = ()
    edm_is_shown_by: Texts = ()
    edm_preview: Texts = ()
    edm_concept: Texts = ()

    def metadata(self) -> RecordMetadata:
        return RecordMetadata(
            id=self.id,
            media_url=_url(self.edm_is_shown_by),
            preview_url=_url(self.edm_preview),
            rights=_first(self.rights),
            data_provider=_first(self.data_provider),
            type=_first(self.type),
            title=_first(self.title),
            concepts=_concepts(self.edm_concept),
        )


class SearchAnswer(_Part):
    """A page of a Search answer; Europeana omits members that are empty."""

    total_results: int = Field(ge=0)
    items_count: int | None = None
    items: tuple[SearchItem, ...] = ()
    next_cursor: str | None = None

    @model_validator(mode="after")
    def _items_where_announced(self) -> Self:
        if self.items_count and not self.items:
            raise ValueError(
                f"{self.items_count} items are expected, but the member `items` is missing"
            )
        return self


class _Aggregation(_Part):
    about: str = ""
    edm_is_shown_by: Texts = ()
    edm_object: Texts = ()
    has_view: Texts = ()
    edm_rights: Texts = ()
    edm_data_provider: Texts = ()


class _EuropeanaAggregation(_Part):
    edm_preview: Texts = ()


class _Proxy(_Part):
    dc_title: Texts = ()


class _Entity(_Part):
    about: str
    pref_label: Texts = ()


class RecordObject(_Part):
    about: RecordId
    type: Texts = ()
    title: Texts = ()
    aggregations: tuple[_Aggregation, ...] = Field(min_length=1)
    europeana_aggregation: _EuropeanaAggregation = _EuropeanaAggregation()
    proxies: tuple[_Proxy, ...] = ()
    concepts: tuple[_Entity, ...] = ()
    organizations: tuple[_Entity, ...] = ()

    def metadata(self) -> RecordMetadata:
        provider = self._provider_aggregation()
        titles = self.title or tuple(text for proxy in self.proxies for text in proxy.dc_title)
        return RecordMetadata(
            id=self.about,
            media_url=_url(provider.edm_is_shown_by + provider.edm_object + provider.has_view),
            preview_url=_url(self.europeana_aggregation.edm_preview),
            rights=_first(provider.edm_rights),
            data_provider=self._named(_first(provider.edm_data_provider)),
            type=_first(self.type),
            title=_first(titles),
            concepts=_concepts(concept.about for concept in self.concepts),
        )

    def _provider_aggregation(self) -> _Aggregation:
        of_provider = (
            aggregation
            for aggregation in self.aggregations
            if aggregation.about.startswith("/aggregation/provider/")
        )
        return next(of_provider, self.aggregations[0])

    def _named(self, provider: str | None) -> str | None:
        """Newer records give an organization's URI where Search gives its name."""
        names = {entity.about: _first(entity.pref_label) for entity in self.organizations}
        return names.get(provider or "") or provider


class RecordAnswer(_Part):
    object: RecordObject


AnswerForm = TypeVar("AnswerForm", bound=_Part)


def parse_answer(form: type[AnswerForm], body: Mapping[str, Any], api: str) -> AnswerForm:
    """Parse the answer of an API.

    Raises:
        UnknownFormError: the answer has another form; names what is missing or different.
    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        listed = "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'the answer'}: {in_words(part)}"
            for part in wrong[:_SHOWN_ERRORS]
        )
        # The cause quotes the answer, and answers may repeat the API key.
        raise UnknownFormError(f"The {api} answers in an unknown form: {listed}.") from None


def _first(texts: tuple[str, ...]) -> str | None:
    return texts[0] if texts else None


def _url(urls: tuple[str, ...]) -> str | None:
    return _OF_THE_KEY.sub("", urls[0]).rstrip("?&") if urls else None


def _concepts(uris: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(current_concept_uri, uris)))
