"""Where the picture of a record is: the provider's file, or Europeana's thumbnail of it.

Thumbnails are 400 pixels wide and outlive the provider's file. Only version 3 of the thumbnail
service is asked: version 2 answers 200 with a grey placeholder where it has nothing. A job says
which of the two it looks at; a model says which it was trained on.
"""

import re
from dataclasses import dataclass
from hashlib import md5
from urllib.parse import parse_qs, urlsplit

from common.store.tables import PictureChoice, PictureSource, Priority

_V3_PATH = re.compile(r".*/thumbnail/v3/(?:200|400)/([0-9a-fA-F]{8,128})(?:\.\w+)?")
_BY_URL_PATH = re.compile(r".*/(?:thumbnail/v2/url\.json|thumbnail-by-url\.json|api/image)")
_OTHER: dict[str, tuple[str, ...]] = {
    PictureSource.THUMBNAIL: (PictureChoice.MEDIA, PictureChoice.AUTO),
    PictureSource.MEDIA: (PictureChoice.THUMBNAIL,),
}


@dataclass(frozen=True)
class PictureUrl:
    url: str
    source: PictureSource


def thumbnail_url(media_url: str, *, api_url: str) -> str:
    """The thumbnail of a web resource; its URL must be exactly as in the record."""
    digest = md5(media_url.encode(errors="replace"), usedforsecurity=False).hexdigest()
    return _v3(digest, api_url)


def thumbnail_of_preview(preview_url: str, *, api_url: str) -> str | None:
    try:
        parts = urlsplit(preview_url)
    except ValueError:
        return None
    if v3 := _V3_PATH.fullmatch(parts.path):
        return _v3(v3.group(1), api_url)
    resource = parse_qs(parts.query).get("uri")
    if resource and _BY_URL_PATH.fullmatch(parts.path):
        return thumbnail_url(resource[0], api_url=api_url)
    return None


def picture_urls(
    media_url: str | None, preview_url: str | None, *, picture: PictureChoice, api_url: str
) -> tuple[PictureUrl, ...]:
    """Where to look for a record's picture, the best place first; may be empty."""
    places: list[PictureUrl] = []
    if media_url and picture != PictureChoice.THUMBNAIL:
        places.append(PictureUrl(media_url, PictureSource.MEDIA))
    if picture != PictureChoice.MEDIA:
        preview = thumbnail_of_preview(preview_url, api_url=api_url) if preview_url else None
        own = thumbnail_url(media_url, api_url=api_url) if media_url else None
        thumbnails = dict.fromkeys(url for url in (preview, own) if url)
        places.extend(PictureUrl(url, PictureSource.THUMBNAIL) for url in thumbnails)
    return tuple(places)


def _v3(digest: str, api_url: str) -> str:
    return f"{api_url.rstrip('/')}/thumbnail/v3/400/{digest}"


@dataclass(frozen=True, kw_only=True)
class PictureKinds:
    """What a job looks at, and what its model was trained on (null: unknown)."""

    looks_at: str
    trained_on: str | None

    @property
    def differ(self) -> bool:
        """Whether the model's accuracy may be lower than at promotion."""
        return self.looks_at in _OTHER.get(self.trained_on or "", ())


def usual_picture(priority: Priority) -> PictureChoice:
    """What a job looks at by default.

    Thumbnails for bulk jobs: they are large enough for every classifier, spare the museums and
    outlive dead links. The provider's file first for urgent ones.
    """
    return PictureChoice.THUMBNAIL if priority == Priority.BULK else PictureChoice.AUTO
