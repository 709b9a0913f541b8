from hashlib import md5

import pytest

from common.pictures.sources import (
    PictureUrl,
    picture_urls,
    thumbnail_of_preview,
    thumbnail_url,
)

API = "https://api.europeana.eu"
MEDIA = "http://museum.example/bild ü.jpg"
DIGEST = md5(MEDIA.encode()).hexdigest()
V3 = f"{API}/thumbnail/v3/400/{DIGEST}"
QUERY = "uri=http%3A%2F%2Fmuseum.example%2Fbild+%C3%BC.jpg&type=IMAGE"


def test_a_thumbnail_is_found_by_the_media_url_letter_for_letter():
    assert thumbnail_url(MEDIA, api_url=API + "/") == V3


@pytest.mark.parametrize(
    "preview",
    [
        f"{API}/thumbnail/v2/url.json?{QUERY}",
        f"https://www.europeana.eu/api/v2/thumbnail-by-url.json?size=w200&{QUERY}",
        f"http://europeanastatic.eu/api/image?{QUERY}&size=FULL_DOC",
        f"{API}/thumbnail/v3/200/{DIGEST}.jpg",
        V3,
    ],
)
def test_previews_of_every_version_become_version_3(preview):
    assert thumbnail_of_preview(preview, api_url=API) == V3


@pytest.mark.parametrize("preview", ["http://a.org/x?uri=y", "http://[", "", "/thumbnail/v3/400/x"])
def test_other_previews_mean_no_thumbnail(preview):
    assert thumbnail_of_preview(preview, api_url=API) is None


def test_auto_is_the_file_and_then_the_thumbnail():
    places = picture_urls(MEDIA, V3, picture="auto", api_url=API)
    assert places == (PictureUrl(MEDIA, "media"), PictureUrl(V3, "thumbnail"))


def test_the_preview_of_another_resource_is_tried_before_our_own_guess():
    other = f"{API}/thumbnail/v3/400/{'0' * 32}"
    places = picture_urls(MEDIA, other, picture="thumbnail", api_url=API)
    assert [place.url for place in places] == [other, V3]


def test_a_choice_that_a_record_cannot_meet_leaves_nothing():
    assert picture_urls(None, V3, picture="media", api_url=API) == ()
    assert picture_urls(None, None, picture="auto", api_url=API) == ()
