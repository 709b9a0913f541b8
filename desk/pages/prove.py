"""The pages of audits: the plan, the drawn pictures, the end and the certificate.

While an audit is open, pages show only how many pictures are judged, not how many are right.
"""

from dataclasses import asdict, replace
from uuid import UUID, uuid4

from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from common.errors import UsageError
from common.process.terminal.counting import counted
from common.store.tables import AuditState, Role
from common.vision.answers.data_providers import provider_choices
from desk.access.actions import shown_names
from desk.audits import closing
from desk.audits.certificate import Certificate, annex, certificate
from desk.audits.draw import draw
from desk.audits.judging import DrawnRow, check_open, drawn_rows, stand
from desk.audits.listing import AUDITS_SHOWN, ListedAudit, find_audit, list_audits
from desk.audits.plan import MOST_DRAWN, plan
from desk.audits.subject import AuditSubject
from desk.pages.judge import read_verdict_ids, read_verdicts
from desk.review.choices import concept_choices
from desk.review.filters import ViewFilters, number
from desk.review.shown_models import ShownModel, all_models, model_for, models_of
from desk.review.suggestions import LONGEST, GivenVerdict, Suggestion
from desk.review.verdicts import judge, withdraw
from desk.web.asking import DeskRequest, NotThereError, action, go_to, page
from desk.web.cards import AT_A_TIME, all_concepts
from desk.web.desk import AskedAgainError
from desk.web.rendering import render

WHAT = ("model", "provider", "concept")  # the filters of an audit


def prove(asked: DeskRequest) -> Response:
    filters = ViewFilters.of({name: asked.filled(name).strip() for name in WHAT})
    before = number(asked.query("before"), what="The audit to go on from", most=1e9)
    with asked.desk.engine.connect() as connection:
        model = _model(connection, filters)
        audits = list_audits(
            connection,
            model_id=model.id if model and filters.model else None,
            before=int(before) if before else None,
        )
        values = {
            "filters": filters,
            "model": model,
            "models": all_models(connection),
            "providers": provider_choices(connection),
            "concepts": concept_choices([model] if model else []),
            "audits": audits,
            "more": audits[-1].id if len(audits) == AUDITS_SHOWN else None,
        }
    return render(asked, "prove", values | _planned(asked, model, filters))


def _model(connection: Connection, filters: ViewFilters) -> ShownModel | None:
    """The named model, else the one that serves the data provider; None if the store has none."""
    if filters.model is None:
        return model_for(connection, filters.provider)
    found = models_of(connection, filters)
    if not found:
        raise NotThereError(f"There is no model {filters.model}.")
    return found[0]


def _planned(
    asked: DeskRequest, model: ShownModel | None, filters: ViewFilters
) -> dict[str, object]:
    """The plan with its samples and the usual one, or the problem if there is no plan."""
    nothing: dict[str, object] = {"plan": None, "problem": "", "samples": [], "usual": 0}
    if model is None:
        return nothing
    try:
        planned = plan(asked.desk.engine, _subject(model, filters))
    except UsageError as error:
        return nothing | {"problem": str(error)}
    return nothing | {"plan": planned, "samples": list(planned.samples), "usual": planned.usual}


def _subject(model: ShownModel, filters: ViewFilters) -> AuditSubject:
    return AuditSubject(
        model_id=model.id,
        data_provider=filters.provider or None,
        concept_uri=filters.concept or None,
    )


def begin(asked: DeskRequest) -> Response:
    filters = ViewFilters.of({name: asked.field(name) for name in WHAT})
    with asked.desk.engine.connect() as connection:
        model = _model(connection, filters)
    if model is None:
        raise UsageError("No model is in the store yet, so there is nothing to prove.")
    subject, sample = _subject(model, filters), _count(asked, "sample", "The number of pictures")
    attempt = _count(asked, "attempt", "The number of the audit")
    planned = plan(asked.desk.engine, subject)
    if attempt == planned.attempt.number and 1 <= sample <= min(planned.rows, MOST_DRAWN):
        asked.confirm(
            f"This freezes {counted(planned.rows, 'enrichment')} of "
            f"{filters.provider or 'all data providers'} and draws {sample:,} at random. You "
            "cannot undo this. The audit counts even if you abandon it.",
            yes=f"Draw {counted(sample, 'picture')}",
            back="/prove",
        )
    # Any other attempt is refused, unless the same form has drawn it before.
    audit_id = draw(
        asked.desk.engine, subject, sample=sample, user_id=asked.user.number, attempt=attempt
    )
    return go_to(f"/audits/{audit_id}")


def _count(asked: DeskRequest, field: str, what: str) -> int:
    text = asked.field(field)
    if not (text.isdecimal() and len(text) < 10):
        raise UsageError(
            f"{what} is {text[:40]!r}, which is not a number. Look at the plan again.", field=field
        )
    return int(text)


def audit(asked: DeskRequest) -> Response:
    """Ten drawn pictures that this reviewer has not judged yet, or has judged already.

    If a reviewer skips a picture that is missing, it comes again after all others.
    """
    found = _audit(asked)
    if found.state is AuditState.CLOSED:
        return go_to(f"/audits/{found.id}/certificate")
    rows = drawn_rows(asked.desk.engine, found.id, user_id=asked.user.number)
    mine = [each for each in rows if each.said is not None]
    is_again = bool(asked.query("again"))
    after = number(asked.query("after"), what="The picture to go on from") or 0
    if is_again:
        left = [each for each in mine if each.place > after]
    else:
        unjudged = [each for each in rows if each.said is None]
        left = sorted(unjudged, key=lambda each: each.place <= after)
    shown = left[:AT_A_TIME]
    with asked.desk.engine.connect() as connection:
        named = all_concepts(connection)
    values = {
        "audit": found,
        "mine": len(mine),
        "is_again": is_again,
        "after": shown[-1].place if shown and (len(left) > len(shown) or not is_again) else None,
        "cards": [(uuid4(), _card(asked, each)) for each in shown],
        "all_concepts": named,
    }
    return render(asked, "audit", values)


def _card(asked: DeskRequest, row: DrawnRow) -> Suggestion:
    """A drawn row without its confidence and without the verdicts of other reviewers."""
    mine = row.said and GivenVerdict(
        id=row.verdict_id,
        user_id=asked.user.number,
        name=asked.user.name or "",
        said=row.said,
        instead=row.instead,
        instead_uri=row.instead_uri,
    )
    return Suggestion(
        record_id=row.record_id,
        title=row.title and row.title[:LONGEST],
        data_provider=row.data_provider and row.data_provider[:LONGEST],
        rights=row.rights,
        model_id=None,
        model=None,
        concept=row.concept_uri,
        label=row.label,
        verdicts=(mine,) if mine else (),
    )


def _audit(asked: DeskRequest) -> ListedAudit:
    """The audit of the address.

    Raises:
        NotThereError: there is none.
    """
    text = asked.path("audit")
    if not (text.isdecimal() and len(text) < 10):
        raise NotThereError("There is no such audit. The page Prove lists them.")
    with asked.desk.engine.connect() as connection:
        found = find_audit(connection, int(text))
    if found is None:
        raise NotThereError(f"There is no audit {int(text)}. The page Prove lists them.")
    return found


def keep(asked: DeskRequest) -> Response:
    """Save verdicts of an audit. A verdict that comes a second time changes nothing."""
    found = _audit(asked)
    given = read_verdicts(asked, audit_id=found.id)
    verdicts = [replace(each, model_id=found.model_id) for each in given]
    with asked.desk.engine.begin() as connection:
        new = judge(connection, asked.user.number, verdicts)
        if new:  # a verdict that was saved before the audit was closed is confirmed again
            rows = [(each.record_id, each.concept) for each in verdicts]
            check_open(connection, found.id, rows)
        stands = stand(connection, found.id, user_id=asked.user.number)
    if asked.wants_json:
        kept = [str(each.id) for each in verdicts]
        return JSONResponse({"kept": kept, "new": new, "stand": asdict(stands)})
    return go_to(f"/audits/{found.id}")


def take_back(asked: DeskRequest) -> Response:
    found = _audit(asked)
    ids: list[UUID] = read_verdict_ids(asked)
    with asked.desk.engine.begin() as connection:
        count = withdraw(connection, asked.user.number, ids, audit_id=found.id)
        if count:
            check_open(connection, found.id, [])
        stands = stand(connection, found.id, user_id=asked.user.number)
    if asked.wants_json:
        return JSONResponse({"withdrawn": count, "stand": asdict(stands)})
    return go_to(f"/audits/{found.id}")


def ending(asked: DeskRequest) -> Response:
    found = _audit(asked)
    if found.state is not AuditState.OPEN:
        return go_to(f"/audits/{found.id}")
    return render(asked, "audit_end", {"audit": found, "unjudged": found.sample - found.judged})


def close(asked: DeskRequest) -> Response:
    """Close an audit, unless more pictures are unjudged than the reviewer's page showed."""
    found = _audit(asked)
    told = _count(asked, "unjudged", "The number of pictures that are not judged")
    try:
        closing.close(asked.desk.engine, found.id, most_unjudged=told)
    except closing.MoreUnjudgedError as error:
        raise AskedAgainError(str(error), page=f"/audits/{found.id}/end") from error
    return go_to(f"/audits/{found.id}/certificate")


def abandon(asked: DeskRequest) -> Response:
    found = _audit(asked)
    closing.abandon(asked.desk.engine, found.id)
    return go_to(
        "/prove",
        model=found.model,
        provider=found.data_provider,
        concept=found.concept_uri,
        told=f"Audit {found.id} is abandoned. Its share of the allowed error is used up.",
    )


def _certificate(asked: DeskRequest) -> Certificate:
    return certificate(asked.desk.engine, _audit(asked).id)


def certificate_page(asked: DeskRequest) -> Response:
    found = _certificate(asked)
    names = shown_names(asked.desk.engine, {found.drawn_by, *found.judged_by})
    values = {
        "certificate": found,
        "names": names,
        "annex": annex(asked.desk.engine, found.audit_id),
        "institution": asked.desk.settings.desk_institution,
        "address": asked.desk.door.origin(asked.request) + asked.request.url.path,
    }
    return render(asked, "certificate", values)


def certificate_json(asked: DeskRequest) -> Response:
    return JSONResponse(_certificate(asked).as_json())


ROUTES = [
    page("/prove", prove),
    action("/prove", begin, Role.REVIEWER, form=prove, logged=(*WHAT, "sample")),
    page("/audits/{audit}", audit, Role.REVIEWER),
    action("/audits/{audit}/verdicts", keep, Role.REVIEWER, is_logged=False),
    action("/audits/{audit}/verdicts/withdraw", take_back, Role.REVIEWER, is_logged=False),
    page("/audits/{audit}/end", ending, Role.REVIEWER),
    action("/audits/{audit}/close", close, Role.REVIEWER, logged=("unjudged",)),
    action("/audits/{audit}/abandon", abandon, Role.REVIEWER),
    page("/audits/{audit}/certificate", certificate_page),
    page("/audits/{audit}/certificate.json", certificate_json),
]
