"""The last part of the demo: publish to the sandbox what a curator confirms, and withdraw it.

The demo plays the curator with the built-in account, so the desk still opens without a login.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, Row, bindparam, text

from common.process.settings.desk import AccessSettings
from common.store.decisions import consent
from common.store.session import open_store
from common.store.tables import VerdictKind
from deploy.demo_commands import console, run
from deploy.sandbox.catalogue import Catalogue
from deploy.sandbox.collection import CATEGORIES
from desk.access.accounts import local_operator
from desk.review.verdicts import NewVerdict, judge

_RIGHT = text("""
    SELECT enrichment.record_id, enrichment.concept_uri, model_id, data_provider
    FROM enrichment JOIN record ON record.id = enrichment.record_id
    WHERE job_id = :job AND (enrichment.record_id, enrichment.concept_uri) IN :shown
""").bindparams(bindparam("shown", expanding=True))
_STATES = text("SELECT state, count(*) FROM publication GROUP BY state")


def undescribed(catalogue: Catalogue) -> dict[str, str]:
    """What the picture shows, of the drawn records that do not say it: concepts by record ID."""
    return {
        item.id: CATEGORIES[item.picture.partition("/")[0]].concept
        for item in catalogue.items
        if not item.concepts
    }


def publish_and_withdraw(job: str, shown: Mapping[str, str]) -> dict[str, int]:
    """Publish the enrichments of a job that are right, of one provider, and withdraw them.

    Args:
        shown: what the pictures show: concepts by record ID.

    Returns:
        How many statements were published, and how many of them were withdrawn.
    """
    engine = open_store()
    provider = _confirm(engine, UUID(job), shown)
    if provider is None:
        return {"published": 0, "withdrawn": 0}
    run("publisher", "plan", "--provider", provider)
    run("publisher", "send", "1")
    published = _states(engine).get("posted", 0)
    run("publisher", "withdraw", "--provider", provider, "--reason", "the demo ends", "--yes")
    return {"published": published, "withdrawn": _states(engine).get("withdrawn", 0)}


def _confirm(engine: Engine, job: UUID, shown: Mapping[str, str]) -> str | None:
    """Say that predictions are right, and that a provider consents; returns this provider."""
    curator = local_operator(engine, AccessSettings.read(), address="127.0.0.1", word="")
    if curator is None or not shown:
        return None
    with engine.begin() as connection:
        right = connection.execute(_RIGHT, {"job": job, "shown": list(shown.items())}).all()
        if not right:
            return None
        ((provider, number),) = Counter(row.data_provider for row in right).most_common(1)
        verdicts = [_right(row) for row in right if row.data_provider == provider]
        judge(connection, curator.number, verdicts)
    consent(engine, provider, reason="the demo plays the museum", user_id=curator.number)
    console.print(
        f"\nThe demo plays the curator: it confirmed {number} predictions for records of "
        f"{provider} that do not say what their picture shows, and noted that this data "
        "provider consents.",
        markup=False,
        soft_wrap=True,
    )
    return str(provider)


def _right(row: Row[Any]) -> NewVerdict:
    return NewVerdict(
        id=uuid4(),
        record_id=row.record_id,
        concept=row.concept_uri,
        said=VerdictKind.RIGHT,
        model_id=row.model_id,
    )


def _states(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        counted = connection.execute(_STATES)
        return {row.state: int(row[1]) for row in counted}
