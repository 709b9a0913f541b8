"""Judge: ten suggestions at a time, by keyboard, and what is kept of the verdicts.

The page works without a script, one form a picture. With it, verdicts go into a queue in the
browser's own storage and from there to the server, each until it is acknowledged. The address of
the page names the ten, so that Reload and Back bring the same ones with what was said of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID, uuid4

from sqlalchemy import Connection, text
from starlette.responses import JSONResponse, RedirectResponse, Response

from common.errors import ModelError, UsageError
from common.process.terminal.counting import counted
from common.store.tables import Role, Said
from common.store.teaching.verdicts import count_judged
from desk.pages.see import choices, shown
from desk.review.filters import JudgedState, ViewFilters
from desk.review.look_alikes import look_alikes
from desk.review.models import ShownModel, models_of
from desk.review.suggestions import ProbableConcept, Suggestion, suggestions_asked
from desk.review.thoughts import Thought, thoughts_of_records
from desk.review.verdicts import NewVerdict, judge, withdraw
from desk.web.asking import DeskRequest, deed, go_to, page
from desk.web.desk import Desk
from desk.web.rendering import render

AT_A_TIME = 10
MOST_CARDS = 50  # that an address names
FIFTY = 50  # judged pictures of a data provider, with which a refit is worth while
ALIKE = 12
_ALL_CONCEPTS = text("SELECT uri, label FROM concept ORDER BY label LIMIT 2000")
_FIELDS = ("id", "record", "concept", "said", "instead", "model")


def judging(asked: DeskRequest) -> Response:
    """Ten suggestions that nobody has judged, or those of the filters; or those of the address."""
    filters = ViewFilters.of(asked.request.query_params)
    if not asked.query("judged"):
        filters = replace(filters, judged=JudgedState.NO)
    keys, after, walked = named_cards(asked), asked.query("next"), 0
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, filters)
        if not keys:
            found = shown(connection, asked.desk, filters, models, count=AT_A_TIME)
            after, walked = found.after or "", found.walked
            own = filters.address(judged=filters.judged, after=filters.after)
            keys = [(each.record_id, each.concept) for each in found.found if each.concept]
            if keys:
                return to_cards(f"/judge?{own}&{urlencode({'next': after})}", keys)
        cards = asked_cards(connection, asked.desk, keys, models)
        values = choices(connection, filters, models)
        values |= of_cards(connection, asked, cards)
    values |= {"after": after, "walked": walked, "filters": filters, "models": models}
    return render(asked, "judge", values)


Card = tuple[UUID, Suggestion]
"""A suggestion to be judged, and the ID of the verdict that a form without a script gives."""


def named_cards(asked: DeskRequest) -> list[tuple[str, str]]:
    """Record IDs and concept URIs in the address."""
    named = asked.request.query_params.getlist("card")[:MOST_CARDS]
    return [
        (record_id, concept) for record_id, _, concept in (each.partition(" ") for each in named)
    ]


def to_cards(address: str, keys: Iterable[tuple[str, str]]) -> Response:
    """To a page whose address names its cards."""
    cards = urlencode([("card", " ".join(key)) for key in dict.fromkeys(keys)])
    return RedirectResponse(f"{address}&{cards}", status_code=303)


def asked_cards(
    connection: Connection,
    desk: Desk,
    keys: Sequence[tuple[str, str]],
    models: Sequence[ShownModel],
) -> list[Card]:
    """The cards of records and concepts, with what the first model takes for most probable."""
    found = suggestions_asked(connection, keys, [each.id for each in models])
    model, thoughts = next(iter(models), None), {}
    if model is not None:
        with suppress(ModelError):  # without its bundle, too, one can judge what it wrote
            record_ids = [each.record_id for each in found]
            thoughts = thoughts_of_records(connection, desk.answers, model, record_ids)
        found = [_with_thought(each, model, thoughts.get(each.record_id)) for each in found]
    return [(uuid4(), each) for each in found]


def _with_thought(card: Suggestion, model: ShownModel, thought: Thought | None) -> Suggestion:
    probable = thought.probable if thought else {}
    suggested_by = model.id if card.concept in model.concepts else None
    return replace(
        card,
        model_id=card.model_id or suggested_by,
        confidence=probable.get(card.concept or "") if card.confidence is None else card.confidence,
        probable=tuple(
            ProbableConcept(uri=uri, label=model.concepts.get(uri, uri), confidence=confidence)
            for uri, confidence in probable.items()
        ),
    )


def of_cards(
    connection: Connection, asked: DeskRequest, cards: Sequence[Card]
) -> dict[str, object]:
    """What the template of cards needs; forms without a script lead back to this page."""
    record_ids = {each.record_id for _, each in cards}
    return {
        "cards": cards,
        "all_concepts": all_concepts(connection),
        "judged_so_far": count_judged(connection, record_ids, most=FIFTY),
        "back": f"{asked.request.url.path}?{asked.request.url.query}",
    }


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
        records = [each.record_id for each in verdicts]
        stands = count_judged(connection, records, most=FIFTY)
    if asked.wants_json:
        kept = [str(each.id) for each in verdicts]
        return JSONResponse({"kept": kept, "new": new, "stand": stands})
    return go_to(asked.field("back") or "/judge")


def take_back(asked: DeskRequest) -> Response:
    """Withdraw verdicts of the account."""
    ids = read_verdict_ids(asked)
    with asked.desk.engine.begin() as connection:
        count = withdraw(connection, asked.user.number, ids)
        stands = count_judged(connection, asked.fields("record"), most=FIFTY)
    if asked.wants_json:
        return JSONResponse({"withdrawn": count, "stand": stands})
    return go_to(asked.field("back") or "/judge", told=f"{counted(count, 'verdict')} withdrawn.")


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
    page("/judge", judging, Role.REVIEWER),
    page("/alike", alike, Role.REVIEWER),
    deed("/verdicts", keep, Role.REVIEWER, is_logged=False),
    deed("/verdicts/withdraw", take_back, Role.REVIEWER, is_logged=False),
]
