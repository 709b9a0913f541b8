"""My verdicts: what a reviewer said outside audits, to be found, changed and taken back."""

from uuid import UUID

from starlette.responses import Response

from common.errors import UsageError
from common.store.tables import Role, Said
from desk.pages.judge import all_concepts, asked_cards, of_cards
from desk.review.choices import provider_choices
from desk.review.verdicts import own_verdicts
from desk.web.asking import DeskRequest, page
from desk.web.rendering import render

SHOWN = 20  # verdicts of a page


def my_verdicts(asked: DeskRequest) -> Response:
    """The newest ones that fit the filters, or older ones."""
    said, provider, concept = (asked.query(name) for name in ("said", "provider", "concept"))
    with asked.desk.engine.connect() as connection:
        found = own_verdicts(
            connection,
            asked.user.number,
            said=_said(said),
            provider=provider,
            concept=all_concepts(connection).get(concept, concept),
            before=_number(asked.query("before")),
            most=SHOWN + 1,
        )
        keys = [(each.record_id, each.concept) for each in found[:SHOWN]]
        values = of_cards(connection, asked, asked_cards(connection, asked.desk, keys, []))
        values |= {"providers": provider_choices(connection)}
    filters = {"said": said, "provider": provider, "concept": concept}
    before = found[SHOWN - 1].id if len(found) > SHOWN else None
    return render(asked, "my_verdicts", values | {"filters": filters, "before": before})


def _said(text: str) -> Said | None:
    try:
        return Said(text) if text else None
    except ValueError as error:
        raise UsageError(f"{text[:40]!r} is no verdict. Choose one from the list.") from error


def _number(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise UsageError("The verdict to go on from is malformed. Begin anew.") from error


ROUTES = [page("/judge/mine", my_verdicts, Role.REVIEWER)]
