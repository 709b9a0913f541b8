"""The ASGI application: its routes, its assets, and what it holds while it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from desk.pages import data, jobs, judge, models, picture, see
from desk.pages.asking import page
from desk.pages.desk import Desk
from desk.pages.door import Door
from desk.pages.rendering import ASSETS
from desk.pictures.thumbnails import Thumbnails
from desk.review.models import LoadedAnswers
from desk.settings import DeskSettings

SUBJECTS = (see, judge, picture, jobs, models, data)


def create_app(engine: Engine, settings: DeskSettings) -> Starlette:
    """The desk on a store.

    Raises:
        UsageError: a setting is malformed.
    """
    desk = Desk(
        engine=engine,
        settings=settings,
        door=Door(engine),
        thumbnails=Thumbnails(engine, settings),
        answers=LoadedAnswers(settings.model_dir),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        desk.thumbnails.close()

    app = Starlette(routes=routes(), lifespan=lifespan)
    app.state.desk = desk
    return app


def routes() -> list[BaseRoute]:
    """All routes; a test walks them for each role."""
    views = [route for subject in SUBJECTS for route in subject.ROUTES]
    return [
        *views,
        Route("/healthz", _healthy),
        Mount("/assets", StaticFiles(directory=ASSETS)),
        page("/{path:path}", see.nothing),
    ]


def _healthy(_: Request) -> Response:
    """For probes: the process answers. It says nothing of the store, which a restart mends not."""
    return PlainTextResponse("ok\n")
