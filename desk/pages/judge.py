"""Judge: ten suggestions at a time, by keyboard, and what is kept of the verdicts.

The page works without a script, one form a picture. With it, verdicts go into a queue in the
browser's own storage and from there to the server, each until it is acknowledged.
"""

from collections import Counter
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import Connection, text
from starlette.responses import JSONResponse, Response

from common.errors import UsageError
from common.store.tables import Role, Said
from desk.pages.see import choices, correct_filters, shown
from desk.review.filters import JudgedState, ViewFilters
from desk.review.look_alikes import look_alikes
from desk.review.models import models_of
from desk.review.verdicts import NewVerdict, judge, withdraw
from desk.web.asking import DeskRequest, deed, go_to, page
from desk.web.rendering import render

AT_A_TIME = 10
ALIKE = 12
_ALL_CONCEPTS = text("SELECT uri, label FROM concept ORDER BY label LIMIT 2000")
_FIELDS = ("id", "record", "concept", "said", "instead", "model")


def judging(asked: DeskRequest) -> Response:
    """Ten suggestions that nobody has judged, or those of the filters."""
    filters = ViewFilters.of(asked.request.query_params)
    if not asked.query("judged"):
        filters = replace(filters, judged=JudgedState.NO)
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, filters)
        found = shown(connection, asked.desk, filters, models, count=AT_A_TIME)
        values = choices(connection, filters, models)
        named = all_concepts(connection)
    cards = [(uuid4(), each) for each in found.found if each.concept]
    values |= {"page": found, "cards": cards, "filters": filters, "models": models}
    return render(asked, "judge", values | {"all_concepts": named})


def all_concepts(connection: Connection) -> dict[str, str]:
    """What another concept can be chosen from: words, each with its URI.

    A label that several concepts have stands with the URI.
    """
    rows = connection.execute(_ALL_CONCEPTS).all()
    count = Counter(row.label for row in rows)
    return {
        row.label if count[row.label] == 1 else f"{row.label} ({row.uri})": row.uri for row in rows
    }


def keep(asked: DeskRequest) -> Response:
    """Keep verdicts; the same again changes nothing."""
    verdicts = read_verdicts(asked)
    with asked.desk.engine.begin() as connection:
        new = judge(connection, asked.user.number, verdicts)
    if asked.wants_json:
        return JSONResponse({"kept": [str(each.id) for each in verdicts], "new": new})
    return go_to(f"/judge?{asked.field('back')}")


def take_back(asked: DeskRequest) -> Response:
    """Withdraw verdicts of the account."""
    ids = read_verdict_ids(asked)
    with asked.desk.engine.begin() as connection:
        count = withdraw(connection, asked.user.number, ids)
    if asked.wants_json:
        return JSONResponse({"withdrawn": count})
    return go_to("/judge", told=f"{count} verdicts withdrawn.")


def alike(asked: DeskRequest) -> Response:
    """Pictures that look like one and have the same suggestion, for a script."""
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, ViewFilters.of({"model": asked.query("model")}))
        model = models[0] if models else None
        if model is None or model.encoder_id is None:
            raise UsageError("Only pictures that an encoder saw can be compared.")
        found = look_alikes(
            connection,
            asked.query("record"),
            encoder_id=model.encoder_id,
            model_id=model.id,
            concept=asked.query("concept"),
            user_id=asked.user.number,
            count=ALIKE,
        )
    told = [{"record": each.record_id, "title": each.title or each.record_id} for each in found]
    return JSONResponse({"alike": told})


def read_verdicts(asked: DeskRequest, *, audit_id: int | None = None) -> list[NewVerdict]:
    """The verdicts of a form: fields of one name in one order.

    Raises:
        UsageError: a field is missing or malformed.
    """
    columns = {name: asked.fields(name) for name in _FIELDS}
    count = len(columns["id"])
    if not count or any(len(values) != count for values in columns.values()):
        raise UsageError("The verdict is incomplete. Load the page again, and repeat it.")
    rows = zip(*columns.values(), strict=True)
    return [_verdict(dict(zip(_FIELDS, row, strict=True)), audit_id) for row in rows]


def read_verdict_ids(asked: DeskRequest) -> list[UUID]:
    """The IDs of verdicts in a form.

    Raises:
        UsageError: one is malformed.
    """
    return [_verdict_id(each) for each in asked.fields("id")]


def _verdict(fields: dict[str, str], audit_id: int | None) -> NewVerdict:
    try:
        said = Said(fields["said"])
    except ValueError as error:
        raise UsageError(f"{fields['said'][:40]!r} is no verdict.") from error
    model = fields["model"]
    if model and not (model.isdecimal() and len(model) < 10):
        raise UsageError("The number of the model is malformed.")
    return NewVerdict(
        id=_verdict_id(fields["id"]),
        record_id=fields["record"],
        concept=fields["concept"],
        said=said,
        instead=fields["instead"] or None,
        model_id=int(model) if model else None,
        audit_id=audit_id,
    )


def _verdict_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise UsageError("The ID of a verdict is malformed.") from error


ROUTES = [
    page("/judge", judging, Role.REVIEWER, form=correct_filters),
    page("/alike", alike, Role.REVIEWER),
    deed("/verdicts", keep, Role.REVIEWER, is_logged=False),
    deed("/verdicts/withdraw", take_back, Role.REVIEWER, is_logged=False),
]
