"""The list of statements with their lives, and the withdrawal of what is published."""

from sqlalchemy import Connection
from starlette.responses import Response

from common.errors import UsageError
from common.process.terminal.counting import counted
from common.publishing.lives import (
    STATE_WORDS,
    LifeFilters,
    list_lives,
    statements_by_state,
)
from common.publishing.withdrawals import WithdrawalScope, published_of, withdraw
from common.store.decisions import LONGEST_REASON
from common.store.tables import PublicationState, Role
from common.vision.answers.data_providers import provider_choices
from common.vision.answers.provider_names import provider_name
from desk.access.actions import shown_names
from desk.audits.listing import find_audit
from desk.publishing.plan_pages import chosen_concept, chosen_provider
from desk.review.filters import ViewFilters, job_number, number, one_of
from desk.review.shown_models import all_models, models_of
from desk.web.asking import DeskRequest, action, go_to, page
from desk.web.cards import all_concepts
from desk.web.rendering import render

AT_ONCE = 25  # statements of a page
OF = ("model", "concept", "provider", "audit", "job")  # what a withdrawal may name


def statements(asked: DeskRequest) -> Response:
    filters = _filters(asked)
    record_id, _, concept_uri = asked.query("after").partition(" ")
    with asked.desk.engine.connect() as connection:
        found = list_lives(connection, filters, after=(record_id, concept_uri), most=AT_ONCE)
        values = {
            "found": found,
            "states": statements_by_state(connection),
            "all_concepts": all_concepts(connection),
            "providers": provider_choices(connection),
        }
    last = found[-1] if len(found) == AT_ONCE else None
    known = {
        "names": shown_names(asked.desk.engine, {each.made_by for each in found if each.made_by}),
        "words": STATE_WORDS,
        "plan_id": filters.plan_id,
        "next": last and f"{last.record_id} {last.concept_uri}",
    }
    return render(asked, "statements", values | known)


def _filters(asked: DeskRequest) -> LifeFilters:
    state, plan_id = asked.query("state"), number(asked.query("plan"), what="The plan")
    return LifeFilters(
        state=one_of(PublicationState, state, "state") if state else None,
        data_provider=provider_name(asked.query("provider")) or None,
        concept_uri=asked.query("concept") or None,
        plan_id=None if plan_id is None else int(plan_id),
    )


def withdrawal_form(asked: DeskRequest) -> Response:
    with asked.desk.engine.connect() as connection:
        values = {
            "models": all_models(connection),
            "all_concepts": all_concepts(connection),
            "providers": provider_choices(connection),
        }
    return render(asked, "withdraw", values | {"longest": LONGEST_REASON})


def take_back(asked: DeskRequest) -> Response:
    with asked.desk.engine.connect() as connection:
        scope = _scope(connection, asked)
        published = published_of(connection, scope)
    if not (reason := asked.field("reason")):
        raise UsageError("Give the reason. Other people may need it later.", field="reason")
    if len(reason) > LONGEST_REASON:
        words = f"The reason has {len(reason):,} characters; {LONGEST_REASON:,} are allowed."
        raise UsageError(words, field="reason")
    confirmed_too = bool(asked.field("confirmed_too"))
    statements = counted(published, "statement is", "statements are")
    asked.confirm(
        f"{statements} published in this selection. {_effect(scope, confirmed_too=confirmed_too)}",
        yes="Withdraw",
        back="/publish/withdraw",
    )
    done = withdraw(
        asked.desk.engine,
        scope,
        reason=reason,
        confirmed_too=confirmed_too,
        user_id=asked.user.number,
    )
    told = f"{counted(done.queued, 'statement')} will be withdrawn. "
    if done.stay:
        stay = counted(done.stay, "statement stays", "statements stay")
        told += f"{stay}, because there is another reason to publish. "
    if done.queued:
        told += (
            "The process publisher run deletes them at Europeana. Reload this page to see the "
            "progress."
        )
    return go_to("/publish/statements", provider=scope.data_provider or "", told=told)


def _effect(scope: WithdrawalScope, *, confirmed_too: bool) -> str:
    if scope.concept_uri or scope.data_provider:
        return "All these statements are withdrawn, also statements that reviewers confirmed."
    if confirmed_too:
        return "These statements are withdrawn, also statements that reviewers confirmed."
    return (
        "These statements are withdrawn. Statements that reviewers or other certificates confirm "
        "stay."
    )


def _scope(connection: Connection, asked: DeskRequest) -> WithdrawalScope:
    """What a form withdraws.

    Raises:
        UsageError: it names no thing, or several, or one that does not exist.
    """
    model, audit, job = (asked.field(name) for name in ("model", "audit", "job"))
    audit_id = number(audit, what="The audit", least=1)
    return WithdrawalScope(
        model_id=_model(connection, model) if model else None,
        audit_id=_audit(connection, int(audit_id)) if audit_id else None,
        job_id=job_number(job) if job else None,
        concept_uri=chosen_concept(connection, asked),
        data_provider=chosen_provider(connection, asked),
    )


def _model(connection: Connection, given: str) -> int:
    found = models_of(connection, ViewFilters.of({"model": given}))
    if not found:
        raise UsageError(f"There is no model {given}.", field="model")
    return found[0].id


def _audit(connection: Connection, audit_id: int) -> int:
    if find_audit(connection, audit_id) is None:
        words = f"There is no audit {audit_id}. The page Prove lists them."
        raise UsageError(words, field="audit")
    return audit_id


ROUTES = [
    page("/publish/statements", statements),
    page("/publish/withdraw", withdrawal_form, Role.OPERATOR),
    action(
        "/publish/withdraw",
        take_back,
        Role.OPERATOR,
        form=withdrawal_form,
        logged=(*OF, "reason", "confirmed_too"),
    ),
]
