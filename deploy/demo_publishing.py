"""The end of the demo: a museum consents, a reviewer confirms, and the sandbox gets annotations.

A person does this at the desk. Here the reviewer knows what the drawn pictures show.
"""

import json
from uuid import uuid4

from sqlalchemy import Engine, text

from common.store import decisions
from deploy.demo_commands import answer, run
from deploy.sandbox.server import Sandbox
from desk.access.accounts import add_account
from desk.review.verdicts import NewVerdict, judge

CONFIRMED = 10  # enrichments
_ENRICHED = text("""
    SELECT record_id, concept_uri, model_id, data_provider
    FROM enrichment JOIN record ON record.id = record_id
    WHERE data_provider IS NOT NULL ORDER BY confidence DESC, record_id
""")


def publish(engine: Engine, sandbox: Sandbox) -> dict[str, int]:
    """Confirm some enrichments, publish them, and withdraw those of one concept.

    Returns:
        How many statements were published, and how many of them withdrawn.
    """
    shown = {item.id: item.concepts for item in sandbox.catalogue.items}
    with engine.connect() as connection:
        rows = connection.execute(_ENRICHED).all()
    right = [row for row in rows if row.concept_uri in shown.get(row.record_id, ())]
    confirmed = {(row.record_id, row.concept_uri): row for row in right[:CONFIRMED]}
    operator = add_account(engine, "demo", role="operator", password=None)
    for museum in {row.data_provider for row in confirmed.values()}:
        decisions.consent(engine, museum, reason="the demo's museums agree", user_id=operator)
    verdicts = [
        NewVerdict(
            id=uuid4(),
            record_id=row.record_id,
            concept=row.concept_uri,
            said="right",
            model_id=row.model_id,
        )
        for row in confirmed.values()
    ]
    with engine.begin() as connection:
        judge(connection, operator, verdicts)
    plan = json.loads(answer("publisher", "plan", "--again", "--json"))["id"]
    sent = json.loads(answer("publisher", "send", str(plan), "--json"))
    concept = right[0].concept_uri
    gone = json.loads(answer("publisher", "withdraw", "--concept", concept, "--yes", "--json"))
    run("publisher", "status")
    return {"published": sent["posted"], "withdrawn": gone["withdrawn"]}
