"""What an annotation must look like: `read_form` checks the input as Europeana's server does.

The server keeps what it knows and drops other members of an annotation without a word. It refuses
`@id` and `@type`, a motivation whose body it cannot read, and a tag that is neither a URL nor a
short text. It does not check the target of a tag. A SpecificResource is tagged by its `source`.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from deploy.sandbox.api.refusals import RequestRefusedError

Json = dict[str, Any]

MOTIVATIONS = {
    "tagging", "describing", "linking", "transcribing", "translating", "subtitling", "captioning",
    "linkForContributing",
}  # fmt: skip
KEPT = ("canonical", "via", "motivation", "bodyValue", "body", "target", "created")
AGENTS = ("creator", "generator")
BODY_MEMBERS = {
    "id", "type", "source", "purpose", "language", "format", "scope", "value", "edmRights",
}  # fmt: skip
LONGEST_TAG = 64
ITEM = "http://data.europeana.eu/item"
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S")
_RECORD = re.compile(rf"{re.escape(ITEM)}(/[^/?#]+/[^/?#]+)")


@dataclass(frozen=True)
class AnnotationForm:
    """A valid input: the members that are kept, and what searches look for in them.

    `record` is `/dataset/local`, `body_uri` what a semantic tag says, `text` what another says.
    """

    members: Json
    motivation: str
    record: str | None
    body_uri: str | None
    text: str | None
    agents: Json  # creator and generator, where the input has them
    id: str | None


def read_json(content: bytes) -> Json:
    """The object that a request sends.

    Raises:
        RequestRefusedError: 400, it is not JSON or not an object.
    """
    try:
        found = json.loads(content)
    except ValueError as error:
        raise invalid(f"Cannot parse the body: {error}") from error
    if not isinstance(found, dict):
        raise invalid("Cannot parse the body: it is not an object")
    return found


def read_form(entry: object) -> AnnotationForm:
    """The annotation that one input object describes.

    Raises:
        RequestRefusedError: 400, with what is wrong.
    """
    if not isinstance(entry, dict):
        raise invalid("An annotation is an object")
    if keyword := next((key for key in _keys(entry) if key in ("@id", "@type")), None):
        raise invalid(f"Cannot parse {keyword}: write {keyword[1:]}")
    if entry.get("type", "Annotation") != "Annotation":
        raise invalid("The type is not Annotation")
    motivation = entry.get("motivation")
    if not isinstance(motivation, str) or motivation not in MOTIVATIONS:
        raise invalid(f"Cannot find a type of body for the motivation {motivation!r}")
    _check_provenance(entry)
    body_uri, text = _read_body(entry, motivation)
    return AnnotationForm(
        members={name: entry[name] for name in KEPT if name in entry},
        motivation=motivation,
        record=_read_target(entry.get("target"), motivation),
        body_uri=body_uri,
        text=text,
        agents={name: _agent(entry[name]) for name in AGENTS if name in entry},
        id=str(entry["id"]) if "id" in entry else None,
    )


def invalid(detail: str) -> RequestRefusedError:
    return RequestRefusedError(400, f"An error occurred during annotation validation! {detail}")


def parse_time(text: object) -> datetime:
    """The time in ISO 8601, with a zone.

    Raises:
        ValueError: it is something else.
    """
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return moment.astimezone(UTC)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "@context":
                yield key
                yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _check_provenance(entry: Json) -> None:
    _check_links(entry)
    for name in ("created", "generated"):
        try:
            parse_time(entry.get(name, "1970-01-01T00:00:00Z"))
        except ValueError as error:
            raise invalid(f"{name} is not a time with a zone: {entry[name]}") from error
    for name in AGENTS:
        if not _is_url(_agent(entry.get(name, {})).get("id", "http://none.example")):
            raise invalid(f"The id of {name} is not a URL")


def _check_links(entry: Json) -> None:
    canonical, via = entry.get("canonical", "urn:x"), entry.get("via", [])
    if not _ABSOLUTE.match(str(canonical)):
        raise invalid(f"canonical is not an absolute URI: {canonical}")
    for address in via if isinstance(via, list) else [via]:
        if not _is_url(address):
            raise invalid(f"via is not a URL: {address}")


def _agent(value: object) -> Json:
    return value if isinstance(value, dict) else {"id": value}


def _read_body(entry: Json, motivation: str) -> tuple[str | None, str | None]:
    """The URI or the text of the body."""
    body = entry.get("body", entry.get("bodyValue"))
    if not body:
        raise invalid("Missing mandatory field! body")
    uri, text = _uri_and_text(body)
    if motivation == "tagging" and uri is None:
        _check_tag(text or "")
    return uri, text


def _uri_and_text(body: object) -> tuple[str | None, str | None]:
    if isinstance(body, list):
        raise invalid("Cannot parse a body that is a list")
    if not isinstance(body, dict):
        return (str(body), None) if _is_url(body) else (None, str(body))
    if unknown := sorted(body.keys() - BODY_MEMBERS):
        raise invalid(f"Cannot parse {unknown[0]} in the body")
    for name in ("source", "id"):
        if name in body and not _is_url(body[name]):
            raise invalid(f"Invalid tag format: the {name} of the body is not a URL")
    if body.get("type") == "SpecificResource" and "source" not in body:
        raise invalid("Invalid tag format: a SpecificResource needs a source")
    uri = body.get("source", body.get("id"))
    return uri, None if uri else str(body.get("value", ""))


def _check_tag(text: str) -> None:
    if not text or len(text) > LONGEST_TAG:
        raise invalid(f"A tag has 1 to {LONGEST_TAG} characters, this one has {len(text)}")
    if _is_url(text):
        raise invalid(f"The text of a tag is no URL: {text}")


def _read_target(target: object, motivation: str) -> str | None:
    """The ID of the record in a target: a URI, or an image (`source`) of an item (`scope`)."""
    if not target:
        raise invalid("Missing mandatory field! target")
    if isinstance(target, dict) and motivation != "tagging":
        if ITEM not in str(target.get("scope")):
            raise invalid(f"The scope of the target does not contain {ITEM}")
        if not _is_url(target.get("source")):
            raise invalid("The source of the target is not a URL")
    uris = [target.get("scope"), target.get("source")] if isinstance(target, dict) else [target]
    found = (_RECORD.search(str(uri)) for uri in uris)
    return next((match[1] for match in found if match), None)


def _is_url(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "ftp") and bool(parts.netloc)
