"""Models as Annif's projects: programs that talk to Annif can ask what pictures show, too.

An ensemble asks for every document of a corpus. So a document without a picture, or with one that
is not available, gets an answer without results, and no error.
"""

from sqlalchemy import Row, text

from common.store.in_service import STANDING
from common.store.model_names import ModelName, version_meant
from common.store.tables import Role
from common.vocabulary.languages import wanted_languages
from desk.api.annif.annif_forms import (
    AnnifDocuments,
    AnnifProject,
    AnnifProjects,
    DocumentAnswer,
    IndexedDocument,
    SuggestForm,
    SuggestQuery,
)
from desk.api.annif.asked_pictures import asked_or_failed, asked_picture
from desk.api.annif.suggester import Suggester, SuggestionAnswer, Wanted
from desk.api.annif.taught import verdicts_of
from desk.api.declaring import FORM, JSON, MULTIPART, Body, Call, Endpoint, Reply
from desk.api.problems import StatusError
from desk.review.shown_models import ShownModel, model_named
from desk.review.verdicts import judge

MOST_PROJECTS = 1_000
MOST_OF_DOCUMENTS = 32 << 20  # bytes of 32 texts, or of one and its picture
PLACES = 16  # requests that look at pictures at the same time; others wait for them

_PROJECTS = text(f"""
    SELECT name, version, created_at FROM model WHERE {STANDING} <> 'retired'
    ORDER BY name, version DESC LIMIT {MOST_PROJECTS}
""")
_PROJECT = text("""
    SELECT name, version, created_at FROM model WHERE name = :name AND version = :version
""")


def list_projects(call: Call) -> AnnifProjects:
    """List the models that are not retired, as Annif lists projects."""
    with call.desk.engine.connect() as connection:
        rows = connection.execute(_PROJECTS).all()
    return AnnifProjects(projects=tuple(map(_project, rows)))


def show_project(call: Call) -> AnnifProject:
    """Show a model as Annif shows a project."""
    with call.desk.engine.connect() as connection:
        meant = version_meant(connection, _name(call))
        asked = {"name": meant.name, "version": meant.version}
        row = connection.execute(_PROJECT, asked).one_or_none()
    if row is None:
        raise _no_model(call)
    return _project(row)


def suggest(call: Call) -> SuggestionAnswer:
    """Suggest concepts for the picture of a document.

    The first of these fields that names a picture counts: picture (a file), record, picture_url,
    metadata_europeana_id, metadata_image_url, text. Other texts are ignored. If no picture is named
    or available, results is empty, and failure says why.
    """
    form: SuggestForm = call.body
    picture = asked_picture(form.texts, form.picture)
    (answer,) = _suggester(call).suggest(_model(call), [picture], _wanted(call, form))
    return answer


def suggest_batch(call: Call) -> list[DocumentAnswer]:
    """Suggest concepts for the pictures of up to 32 documents, with the fields of suggest.

    If one document names no picture, or a malformed one, the others still get their results.
    """
    documents = call.body.documents
    pictures = [asked_or_failed(each.fields) for each in documents]
    answers = _suggester(call).suggest(_model(call), pictures, _wanted(call, call.query))
    pairs = zip(documents, answers, strict=True)
    return [DocumentAnswer.of(document, answer) for document, answer in pairs]


def learn(call: Call) -> Reply:
    """Save the concepts that the pictures of documents show, as verdicts of the token's account.

    Each document names a record. Concepts that it lacks get no verdict. Either all verdicts are
    saved, or none of them.
    """
    documents: list[IndexedDocument] = call.body
    verdicts = verdicts_of(documents, _model(call).id)
    with call.desk.engine.begin() as connection:
        judge(connection, call.user.number, verdicts)
    return Reply(value=None, status=204)


def _suggester(call: Call) -> Suggester:
    suggester: Suggester = call.request.app.state.suggester
    return suggester


def _name(call: Call) -> ModelName:
    return ModelName.parse(call.path("model"))


def _model(call: Call) -> ShownModel:
    with call.desk.engine.connect() as connection:
        model = model_named(connection, _name(call))
    if model is None:
        raise _no_model(call)
    return model


def _no_model(call: Call) -> StatusError:
    return StatusError(404, f"There is no model {_name(call).title}. See /v1/projects")


def _wanted(call: Call, asked: SuggestForm | SuggestQuery) -> Wanted:
    accepted = asked.language or call.request.headers.get("accept-language", "")
    return Wanted(
        limit=asked.limit,
        threshold=asked.threshold,
        languages=tuple(wanted_languages(accepted)),
    )


def _project(row: Row[tuple[object, ...]]) -> AnnifProject:
    name = ModelName(row.name, row.version)
    return AnnifProject(project_id=str(name), name=name.title, modification_time=row.created_at)


_PATH = "/projects/{model}"
ANNIF_ROUTES = [
    Endpoint("GET", "/projects", list_projects, answers={200: AnnifProjects}),
    Endpoint("GET", _PATH, show_project, answers={200: AnnifProject}),
    Endpoint(
        "POST",
        f"{_PATH}/suggest",
        suggest,
        answers={200: SuggestionAnswer},
        bodies=[Body(media=FORM, kind=SuggestForm), Body(media=MULTIPART, kind=SuggestForm)],
        most=MOST_OF_DOCUMENTS,
        places=PLACES,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/suggest-batch",
        suggest_batch,
        answers={200: list[DocumentAnswer]},
        query=SuggestQuery,
        bodies=[Body(media=JSON, kind=AnnifDocuments)],
        most=MOST_OF_DOCUMENTS,
        places=PLACES,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/learn",
        learn,
        Role.REVIEWER,
        answers={204: None},
        bodies=[Body(media=JSON, kind=list[IndexedDocument])],
        most=MOST_OF_DOCUMENTS,
    ),
]
