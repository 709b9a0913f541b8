"""What a body is by its first bytes; servers' Content-Type headers are too often wrong."""

import re

from common.reasons import FetchReason, fetch_error

PREFIX_BYTES = 4096  # enough to tell a web page behind comments and blank lines

_IMAGES = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"), "TIFF"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), "JPEG2000"),
    (re.compile(rb"BM....\x00\x00\x00\x00", re.DOTALL), "BMP"),
)
_BLANK = rb"(?:\xef\xbb\xbf)?\s*"
_OTHERS = (
    (_BLANK + rb"%PDF-", FetchReason.NOT_AN_IMAGE_PDF, "a PDF"),
    (rb".{0,1024}%PDF-\d", FetchReason.NOT_AN_IMAGE_PDF, "a PDF"),
    (_BLANK + rb"(?=<).{0,3000}?<(?:!doctype\s+html|html\b|head\b|body\b)",
     FetchReason.NOT_AN_IMAGE_HTML, "a web page"),
    (_BLANK + rb"(?=<).{0,3000}?<svg\b", FetchReason.UNSUPPORTED_IMAGE, "SVG"),
    (_BLANK + rb"<[a-z?!]", FetchReason.NOT_AN_IMAGE_XML, "an XML document"),
    (_BLANK + rb"[{\[]\s*[\"\]}{\[]", FetchReason.NOT_AN_IMAGE_JSON, "a JSON document"),
    (rb"....ftyp(?:avif|avis|heic|heix|mif1|msf1)", FetchReason.UNSUPPORTED_IMAGE, "AVIF or HEIF"),
    (rb"8BPS", FetchReason.UNSUPPORTED_IMAGE, "Photoshop"),
    (rb"AT&TFORM", FetchReason.UNSUPPORTED_IMAGE, "DjVu"),
    (rb"\x00\x00\x01\x00", FetchReason.UNSUPPORTED_IMAGE, "an icon"),
)  # fmt: skip
_OTHER_KINDS = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), reason, name)
    for pattern, reason, name in _OTHERS
)


def sniff(content: bytes) -> str:
    """The format of a picture: JPEG, PNG, TIFF, GIF, WEBP, JPEG2000 or BMP.

    Raises:
        RecordError: it is something else: `empty`, `not_an_image*`, `unsupported_image`.
    """
    if not content:
        raise fetch_error(FetchReason.EMPTY, "the body has no bytes")
    prefix = content[:PREFIX_BYTES]
    for pattern, name in _IMAGES:
        if pattern.match(prefix):
            return name
    for pattern, reason, name in _OTHER_KINDS:
        if pattern.match(prefix):
            raise fetch_error(reason, f"the body is {name}")
    raise fetch_error(FetchReason.NOT_AN_IMAGE, "the body is no kind of image that we know")
