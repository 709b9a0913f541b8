"""The ASGI application with its routes and assets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from common.process.settings.desk import DeskSettings
from desk.access.headers import Guard
from desk.api.annif.suggester import Suggester
from desk.api.api import ApiMount
from desk.pages import (
    actions,
    data,
    decide,
    download,
    jobs,
    judge,
    login,
    models,
    picture,
    prove,
    see,
    teach,
)
from desk.pictures.thumbnails import Thumbnails
from desk.publishing import life_pages, plan_pages, public
from desk.review.shown_models import LoadedHeads
from desk.steering.renewal import Renewals
from desk.web.asking import page
from desk.web.desk import Desk
from desk.web.door import Door
from desk.web.metered import Metered
from desk.web.rendering import ASSETS, asset_version

# The first route that fits answers: that of a plan also fits the other addresses below /publish.
SUBJECTS = (
    *(login, see, judge, teach, prove, life_pages, plan_pages, public, decide, picture, jobs),
    *(models, data, download, actions),
)


class VersionedFiles(StaticFiles):
    """Files that browsers may cache if they ask for the version of this process.

    While an update replaces desks one by one, a browser with a new page may ask an old process.
    It must not cache the old file as the new version.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if scope["query_string"] == asset_version().encode():
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app(engine: Engine, settings: DeskSettings) -> ASGIApp:
    """Make the application of a desk on this store.

    Raises:
        UsageError: a setting is malformed.
    """
    desk = Desk(
        engine=engine,
        settings=settings,
        door=Door(engine, settings),
        thumbnails=Thumbnails(engine, settings),
        heads=LoadedHeads(settings.model_dir),
    )
    suggester = Suggester(engine, settings, desk.heads)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        renewals = Renewals(engine)
        renewals.start()
        yield
        renewals.stop()
        suggester.close()
        desk.thumbnails.close()

    all_routes = routes()
    app = Starlette(routes=all_routes, lifespan=lifespan)
    app.state.desk = desk
    app.state.suggester = suggester
    guarded = Guard(app, settings=settings)
    paths = [each.path for each in all_routes if isinstance(each, Route | Mount)]
    return Metered(guarded, paths=paths)


def create_public_app(engine: Engine, settings: DeskSettings) -> ASGIApp:
    """Make the application that shows everyone where statements come from, and no other page."""
    routes: list[Route | Mount] = [
        *public.PUBLIC_ROUTES,
        Mount("/assets", VersionedFiles(directory=ASSETS)),
        Route("/favicon.ico", favicon),
    ]
    app = Starlette(routes=routes)
    app.state.sources = public.Sources(engine=engine, settings=settings)
    guarded = Guard(app, settings=settings, is_public=True)
    return Metered(guarded, paths=[each.path for each in routes])


def favicon(_: Request) -> Response:
    return FileResponse(ASSETS / "desk.svg")


def routes() -> list[BaseRoute]:
    """All routes. A test checks each of them for each role."""
    views = [route for subject in SUBJECTS for route in subject.ROUTES]
    return [
        *views,
        ApiMount(),
        Mount("/assets", VersionedFiles(directory=ASSETS)),
        Route("/favicon.ico", favicon),  # bookmarks and tab lists ask for it without reading a page
        page("/{path:path}", see.nothing),
    ]
