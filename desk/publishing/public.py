"""The pages that say where a statement or a model comes from, as HTML and as JSON-LD.

`desk serve --public` serves them to everyone, and the desk to its accounts. Everyone sees only
statements that were sent to Europeana.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from common.errors import UsageError
from common.process.settings.desk import DeskSettings
from common.store.model_names import ModelName
from common.vocabulary.languages import READER, wanted_languages
from desk.publishing.linked_origins import model_as_linked, statement_as_linked
from desk.publishing.origins import ModelOrigin, StatementOrigin, model_origin, statement_origin
from desk.web.asking import DeskRequest, NotThereError, page
from desk.web.door import STORE_TROUBLE, store_trouble
from desk.web.rendering import plain_page, render

JSON_LD = "application/ld+json"
ENDING = ".jsonld"
PUBLIC_CACHE = "public, max-age=300"  # seconds; a withdrawal is seen after them
_NO_STATEMENT = "There is no published statement with this name."
_NO_MODEL = "There is no model with this name and version."


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the pages read: the store, and the folder of models that the settings name."""

    engine: Engine
    settings: DeskSettings

    def statement(self, name: str) -> StatementOrigin:
        """Raises NotThereError: there is no such statement."""
        try:
            wanted = UUID(name)
        except ValueError as error:
            raise NotThereError(_NO_STATEMENT) from error
        with self.engine.connect() as connection:
            found = statement_origin(connection, wanted, self.settings.model_dir)
        if found is None:
            raise NotThereError(_NO_STATEMENT)
        return found

    def model(self, name: str) -> ModelOrigin:
        """Raises NotThereError: there is no such model."""
        try:
            wanted = ModelName.parse(name)
        except UsageError as error:
            raise NotThereError(_NO_MODEL) from error
        with self.engine.connect() as connection:
            found = model_origin(connection, wanted, self.settings.model_dir)
        if found is None:
            raise NotThereError(_NO_MODEL)
        return found

    def pages(self, request: Request) -> str:
        """The address that the public pages begin with, as annotations have it if it is set."""
        return self.settings.public_url or str(request.base_url).rstrip("/")


def _of_desk(asked: DeskRequest) -> Sources:
    return Sources(engine=asked.desk.engine, settings=asked.desk.settings)


def statement(asked: DeskRequest) -> Response:
    sources, name = _of_desk(asked), asked.path("name")
    found = sources.statement(name.removesuffix(ENDING))
    if _wants_linked(asked.request):
        return _linked(statement_as_linked(found, pages=sources.pages(asked.request)))
    return render(asked, "statement", {"statement": found, "base": "base.html.jinja"})


def linked_model(asked: DeskRequest) -> Response:
    """A model as JSON-LD. The desk's page of a model says the same and more."""
    sources = _of_desk(asked)
    found = sources.model(asked.path("model"))
    return _linked(model_as_linked(found, pages=sources.pages(asked.request)))


def public_statement(request: Request, sources: Sources) -> Response:
    found = sources.statement(request.path_params["name"].removesuffix(ENDING))
    if not found.was_sent:
        raise NotThereError(_NO_STATEMENT)
    if _wants_linked(request):
        return _linked(statement_as_linked(found, pages=sources.pages(request)))
    return _html("statement", {"statement": found})


def public_model(request: Request, sources: Sources) -> Response:
    found = sources.model(request.path_params["model"].removesuffix(ENDING))
    if _wants_linked(request):
        return _linked(model_as_linked(found, pages=sources.pages(request)))
    return _html("public_model", {"model": found})


def _wants_linked(request: Request) -> bool:
    return request.url.path.endswith(ENDING) or JSON_LD in request.headers.get("accept", "")


def _linked(document: dict[str, object]) -> Response:
    return JSONResponse(document, media_type=JSON_LD)


def _html(template: str, values: dict[str, object], *, status: int = 200) -> Response:
    known = {"base": "public.html.jinja"}
    return HTMLResponse(plain_page(template, values | known), status_code=status)


def _for_everyone(view: Callable[[Request, Sources], Response]) -> Callable[[Request], Response]:
    """A view that needs no account, with the headers for caches."""

    def answer(request: Request) -> Response:
        READER.set(tuple(wanted_languages(request.headers.get("accept-language", ""))))
        try:
            response = view(request, request.app.state.sources)
        except NotThereError as error:
            return _html("public_problem", {"words": str(error)}, status=404)
        except STORE_TROUBLE as error:
            store_trouble(request, error)
            words = "This page is not available at the moment. Try again in a minute.\n"
            return PlainTextResponse(words, status_code=503)
        response.headers["Cache-Control"] = PUBLIC_CACHE
        response.headers["Vary"] = "Accept, Accept-Language"
        response.headers["Access-Control-Allow-Origin"] = "*"  # programs of others may read it
        return response

    return answer


ROUTES = [
    page("/statements/{name}", statement),
    page("/models/{model}.jsonld", linked_model),
]
PUBLIC_ROUTES = [
    Route("/statements/{name}", _for_everyone(public_statement)),
    Route("/models/{model}", _for_everyone(public_model)),
]
