"""The picture that a document is about: by its bytes, its record or its URL.

Documents come from programs that index texts, so most of their fields say nothing of a picture. An
ensemble sends what it knows of a document as `metadata_*`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from common.errors import InvalidRecordIdError, RecordError, UsageError
from common.europeana.record_ids import parse_record_id
from common.fetch.urls import MAX_LENGTH
from common.reasons import Reason

RECORD, URL = "record", "picture_url"
RECORD_METADATA, URL_METADATA = "metadata_europeana_id", "metadata_image_url"
TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class AskedPicture:
    """A picture; exactly one of the three is given."""

    record_id: str | None = None
    url: str | None = None
    content: bytes | None = field(default=None, repr=False)


def asked_picture(fields: Mapping[str, str], content: bytes | None = None) -> AskedPicture | None:
    """The picture of a document; None if it names none, as a document of text alone.

    Bytes go first, then the fields `record` and `picture_url`, the record and the URL in the
    metadata, and a text that is a record ID or a URL and nothing else. A record goes before a URL,
    because its picture may be known already.

    Raises:
        UsageError: `record` or `picture_url` is malformed.
    """
    if content is not None:
        return AskedPicture(content=content)
    if record := fields.get(RECORD, "").strip():
        return AskedPicture(record_id=parse_record_id(record))
    if url := fields.get(URL, "").strip():
        if not _is_url(url):
            raise UsageError(f"{URL} must be one address that begins with http:// or https://.")
        return AskedPicture(url=url)
    for name in (RECORD_METADATA, URL_METADATA, TEXT):
        if found := _named_by(fields.get(name, "").strip()):
            return found
    return None


def asked_or_failed(fields: Mapping[str, str]) -> AskedPicture | RecordError | None:
    """As `asked_picture`, with an error for this document alone if a field is malformed."""
    try:
        return asked_picture(fields)
    except InvalidRecordIdError as error:
        return Reason.UNKNOWN_RECORD.error(str(error))
    except UsageError as error:
        return Reason.INVALID_URL.error(str(error))


def _named_by(text: str) -> AskedPicture | None:
    if len(text) > MAX_LENGTH:
        return None
    with suppress(InvalidRecordIdError):
        return AskedPicture(record_id=parse_record_id(text))
    return AskedPicture(url=text) if _is_url(text) else None


def _is_url(text: str) -> bool:
    begins = text[:8].lower().startswith(("http://", "https://"))
    return begins and len(text.split()) == 1
