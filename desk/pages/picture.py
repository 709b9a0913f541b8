"""The page of one record: picture, heatmap, verdicts, and similar pictures that were judged."""

import re
from pathlib import Path

from starlette.responses import Response

from common.errors import UsageError
from common.europeana.record_ids import parse_record_id
from common.publishing.lives import LifeFilters, list_lives
from common.store.tables import PictureChoice, Priority, Role
from desk.pictures.thumbnails import ShownPicture
from desk.review.filters import ViewFilters
from desk.review.neighbours import judged_neighbours
from desk.review.shown_models import model_for, models_of
from desk.review.suggestions import suggestions_of_record
from desk.review.thoughts import thoughts_of_records
from desk.web.asking import DeskRequest, NotThereError, action, go_to, page
from desk.web.cards import asked_cards, of_cards
from desk.web.rendering import render
from worker import jobs
from worker.enrich.heatmap_files import relative_path
from worker.jobs import JobOptions

KEPT_BY_BROWSERS = {"Cache-Control": "private, max-age=86400"}
NEIGHBOURS = 6
STATEMENTS = 25  # of a record
PLACES = 24  # thumbnails at the same time; more would hold up other pages
LARGE_PLACES = 4  # large pictures at the same time; museums may be slow
LARGE_SIDE = 3_000  # pixels
_DIGEST = re.compile(r"[0-9a-f]{64}")


def thumbnail(asked: DeskRequest) -> Response:
    return _sent(asked.desk.thumbnails.of_record(_record(asked), is_again=_is_again(asked)))


def heatmap(asked: DeskRequest) -> Response:
    digest = asked.path("digest")
    if not _DIGEST.fullmatch(digest):
        raise NotThereError("There is no such heatmap.")
    path: Path = asked.desk.settings.heatmap_dir / relative_path(digest)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotThereError("This desk does not have the heatmap in HEATMAP_DIR.") from error
    return Response(content, media_type="image/jpeg", headers=KEPT_BY_BROWSERS)


def picture(asked: DeskRequest) -> Response:
    record_id = _record(asked)
    filters = ViewFilters.of({"model": asked.query("model")})
    with asked.desk.engine.connect() as connection:
        record = suggestions_of_record(connection, record_id)
        if record is None:
            raise NotThereError(f"The record {record_id} is not in the store.")
        thought, neighbours = None, []
        named = models_of(connection, filters) if filters.model else []
        model = named[0] if named else model_for(connection, record.data_provider or "")
        if model and model.encoder_id is not None:
            thoughts = thoughts_of_records(connection, asked.desk.heads, model, [record_id])
            thought = thoughts.get(record_id)
            neighbours = judged_neighbours(connection, model, record_id, count=NEIGHBOURS)
        said = [each.concept for each in record.suggestions if each.concept]
        concepts = dict.fromkeys([*said, thought.concept] if thought else said)
        keys = [(record_id, each) for each in concepts]
        cards = asked_cards(connection, asked.desk, keys, [model] if model else [])
        values = of_cards(connection, asked, cards)
        statements = list_lives(connection, LifeFilters(of_record=record_id), most=STATEMENTS)
    values |= {
        "record": record,
        "model": model,
        "thought": thought,
        "neighbours": neighbours,
        "statements": statements,
        "is_awaited": bool(asked.query("awaited")),
    }
    return render(asked, "picture", values)


def file(asked: DeskRequest) -> Response:
    """The largest picture of a record: the provider's file, else the thumbnail."""
    found = asked.desk.thumbnails.of_record(
        _record(asked), picture=PictureChoice.AUTO, side=LARGE_SIDE, is_again=_is_again(asked)
    )
    return _sent(found)


def _is_again(asked: DeskRequest) -> bool:
    return bool(asked.query("again"))


def _sent(found: ShownPicture | None) -> Response:
    """The picture, or an empty answer with status 404."""
    if found is None:
        return Response(status_code=404, headers={"Cache-Control": "private, max-age=60"})
    return Response(found.content, media_type=found.media_type, headers=KEPT_BY_BROWSERS)


def explain(asked: DeskRequest) -> Response:
    record_id = _record(asked)
    options = JobOptions(
        priority=Priority.URGENT,
        picture=PictureChoice.THUMBNAIL,
        model=asked.field("model") or None,
        explain=True,
        submitter=f"desk, account {asked.user.number}",
    )
    jobs.enqueue(asked.desk.engine, [record_id], options)
    return go_to(f"/records{record_id}", model=asked.field("model"), awaited="yes")


def _record(asked: DeskRequest) -> str:
    try:
        return parse_record_id(f"/{asked.path('dataset')}/{asked.path('local')}")
    except UsageError as error:
        raise NotThereError("There is no such record.") from error


ROUTES = [
    page("/records/{dataset}/{local}", picture),
    action("/records/{dataset}/{local}/explain", explain, Role.OPERATOR, logged=("model",)),
    page("/thumbnails/{dataset}/{local}", thumbnail, places=PLACES),
    page("/pictures/{dataset}/{local}", file, places=LARGE_PLACES),
    page("/heatmaps/{digest}", heatmap),
]
