import pytest
from PIL import Image

from common.errors import RecordError
from common.fetch.answers import sniff
from tests.common.fetch.servers import encoded

OTHERS = [
    (b"", "empty"),
    (b"<!DOCTYPE html><html>", "not_an_image_html"),
    (b"\xef\xbb\xbf \n<!-- x -->\n<HTML lang=de>", "not_an_image_html"),
    (b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'><html/>", "not_an_image_html"),
    (b"<html><body><svg/></body></html>", "not_an_image_html"),
    (b"<?xml version='1.0'?><!-- > --><svg xmlns='x'/>", "unsupported_image"),
    (b"<?xml version='1.0'?><error>no</error>", "not_an_image_xml"),
    (b'{"error": "no"}', "not_an_image_json"),
    (b"%PDF-1.7", "not_an_image_pdf"),
    (b"junk before %PDF-1.4", "not_an_image_pdf"),
    (b"\x00\x00\x00\x20ftypavif", "unsupported_image"),
    (b"8BPS\x00\x01", "unsupported_image"),
    (b"\x00\x00\x00\x18ftypmp42", "not_an_image"),
    (b"Not found", "not_an_image"),
    (b"RIFF\x00\x00\x00\x00WAVE", "not_an_image"),
    (b"<!" * 100_000, "not_an_image_xml"),
]


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "JPEG2000", "BMP"])
def test_pictures_are_known_by_their_first_bytes(name):
    assert sniff(encoded(Image.new("RGB", (8, 8)), name)) == name


@pytest.mark.parametrize(("content", "reason"), OTHERS)
def test_what_is_no_picture_is_named(content, reason):
    with pytest.raises(RecordError) as caught:
        sniff(content)
    assert caught.value.reason == reason
