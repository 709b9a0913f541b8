"""The page Judge: ten suggestions at a time, and the requests that save verdicts.

The page works without a script: each picture has a form. With the script, verdicts wait in a queue
in the browser's storage until the server confirms them. The address of the page names the ten
suggestions, so Reload and Back show the same ones with their verdicts.
"""

from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import JSONResponse, Response

from common.errors import UsageError
from common.process.terminal.counting import counted
from common.store.tables import Role, VerdictKind
from common.store.teaching.verdicts import count_judged
from common.vision.answers.data_providers import provider_choices
from desk.pages.see import choices, correct_filters, shown
from desk.review.filters import JudgedState, ViewFilters, one_of
from desk.review.neighbours import look_alikes
from desk.review.shown_models import models_of
from desk.review.verdicts import NewVerdict, judge, own_verdicts, withdraw
from desk.web.asking import DeskRequest, action, go_to, page
from desk.web.cards import (
    AT_A_TIME,
    FIFTY,
    address_of_cards,
    all_concepts,
    asked_cards,
    named_cards,
    of_cards,
)
from desk.web.rendering import render

SHOWN = 20  # verdicts on a page of My verdicts
ALIKE = 12
_FIELDS = ("id", "record", "concept", "said", "instead", "model")


def judging(asked: DeskRequest) -> Response:
    """The ten suggestions that the address names, else the next ten that fit the filters."""
    filters = ViewFilters.of(asked.request.query_params)
    if not asked.query("judged"):
        filters = replace(filters, judged=JudgedState.NO)
    keys, after, walked, address = named_cards(asked), asked.query("next"), 0, ""
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, filters)
        if not keys:
            found = shown(connection, asked.desk, filters, models, count=AT_A_TIME)
            after, walked = found.after or "", found.walked
            own = filters.address(judged=filters.judged, after=filters.after)
            pairs = ((each.record_id, each.concept) for each in found.found if each.concept)
            keys = list(dict.fromkeys(pairs))
            if keys:
                named = f"/judge?{own}&{urlencode({'next': after})}"
                address = address_of_cards(named, keys)
        cards = asked_cards(connection, asked.desk, keys, models)
        values = choices(connection, filters, models)
        values |= of_cards(connection, asked, cards, models=models, address=address)
    values |= {"after": after, "walked": walked, "filters": filters, "models": models}
    return render(asked, "judge", values)


def my_verdicts(asked: DeskRequest) -> Response:
    """The verdicts of a reviewer without those of audits, the newest first."""
    named = ("said", "provider", "concept", "before")
    said, provider, concept, before = (asked.query(name) for name in named)
    with asked.desk.engine.connect() as connection:
        found = own_verdicts(
            connection,
            asked.user.number,
            said=one_of(VerdictKind, said, "said") if said else None,
            provider=provider,
            concept=all_concepts(connection).get(concept, concept),
            before=_verdict_id(before) if before else None,
            most=SHOWN + 1,
        )
        keys = [(each.record_id, each.concept) for each in found[:SHOWN]]
        values = of_cards(connection, asked, asked_cards(connection, asked.desk, keys, []))
        values |= {"providers": provider_choices(connection)}
    filters = {"said": said, "provider": provider, "concept": concept}
    older = found[SHOWN - 1].id if len(found) > SHOWN else None
    return render(asked, "my_verdicts", values | {"filters": filters, "older": older})


def keep(asked: DeskRequest) -> Response:
    """Save verdicts. A verdict that comes a second time changes nothing."""
    verdicts = read_verdicts(asked)
    with asked.desk.engine.begin() as connection:
        new = judge(connection, asked.user.number, verdicts)
        records = [each.record_id for each in verdicts]
        stands = count_judged(connection, records, most=FIFTY)
    if asked.wants_json:
        kept = [str(each.id) for each in verdicts]
        return JSONResponse({"kept": kept, "new": new, "stand": stands})
    return go_to(asked.field("back") or "/judge")


def take_back(asked: DeskRequest) -> Response:
    ids = read_verdict_ids(asked)
    with asked.desk.engine.begin() as connection:
        count = withdraw(connection, asked.user.number, ids)
        stands = count_judged(connection, asked.fields("record"), most=FIFTY)
    if asked.wants_json:
        return JSONResponse({"withdrawn": count, "stand": stands})
    return go_to(asked.field("back") or "/judge", told=f"{counted(count, 'verdict')} withdrawn.")


def alike(asked: DeskRequest) -> Response:
    """Pictures that look like one and have the same suggestion, as JSON."""
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, ViewFilters.of({"model": asked.query("model")}))
        model = models[0] if models else None
        if model is None or model.encoder_id is None:
            raise UsageError("The desk can compare only pictures that an encoder has seen.")
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
    """The verdicts of a form. Fields of the same name are in the order of the verdicts.

    Raises:
        UsageError: a field is missing or malformed.
    """
    columns = {name: asked.fields(name) for name in _FIELDS}
    count = len(columns["id"])
    if not count or any(len(values) != count for values in columns.values()):
        raise UsageError("The verdict is incomplete. Load the page again, then repeat the verdict.")
    rows = zip(*columns.values(), strict=True)
    return [_verdict(dict(zip(_FIELDS, row, strict=True)), audit_id) for row in rows]


def read_verdict_ids(asked: DeskRequest) -> list[UUID]:
    """The IDs of the verdicts to withdraw.

    Raises:
        UsageError: one is malformed.
    """
    return [_verdict_id(each) for each in asked.fields("id")]


def _verdict(fields: dict[str, str], audit_id: int | None) -> NewVerdict:
    model = fields["model"]
    if model and not (model.isdecimal() and len(model) < 10):
        raise UsageError("The number of the model is not valid.")
    return NewVerdict(
        id=_verdict_id(fields["id"]),
        record_id=fields["record"],
        concept=fields["concept"],
        said=one_of(VerdictKind, fields["said"], "said"),
        instead=fields["instead"] or None,
        model_id=int(model) if model else None,
        audit_id=audit_id,
    )


def _verdict_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise UsageError("The ID of a verdict is not valid.") from error


ROUTES = [
    page("/judge", judging, Role.REVIEWER, form=correct_filters),
    page("/judge/mine", my_verdicts, Role.REVIEWER),
    page("/alike", alike, Role.REVIEWER),
    action("/verdicts", keep, Role.REVIEWER, is_logged=False),
    action("/verdicts/withdraw", take_back, Role.REVIEWER, is_logged=False),
]
