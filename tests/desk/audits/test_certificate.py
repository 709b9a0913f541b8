"""What a closed audit proves, to print and as JSON."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from common.errors import UsageError
from common.store.tables import VerdictKind
from desk.audits.certificate import FORM, annex, certificate
from desk.audits.closing import abandon, close
from tests.desk.audits.gallery import ANN, BO, MAP, MUSEUM, PAINTING, RECORDS, Gallery
from trainer.models.store import retire_model

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "certificates.md"


def closed(gallery: Gallery, right: int, sample: int, **subject: str | None) -> int:
    audit_id = gallery.draw(sample, **subject)
    for number, row in enumerate(gallery.drawn(audit_id)):
        gallery.judge(audit_id, row, VerdictKind.RIGHT if number < right else VerdictKind.WRONG)
    close(gallery.engine, audit_id)
    return audit_id


def test_it_is_a_sentence(gallery: Gallery) -> None:
    of_museum = certificate(gallery.engine, closed(gallery, 77, 80))
    assert of_museum.sentence == (
        "Map enrichments of A museum: 77 of 80 drawn at random were right (96.2 %). "
        "With 95 % confidence, at least 92.5 % of all 120 are right."
    )
    of_all = certificate(gallery.engine, closed(gallery, 80, 80, provider=None, concept=None))
    assert of_all.sentence == (
        "Enrichments of vases v3: 80 of 80 drawn at random were right (100 %). "
        "With 95 % confidence, at least 95.5 % of all 360 are right."
    )


def test_as_json_it_has_all_that_was_frozen(gallery: Gallery) -> None:
    audit_id = closed(gallery, 77, 80)
    lines = sorted(f"{MAP} /1/r{number}\n" for number in range(1, RECORDS + 1))
    told = certificate(gallery.engine, audit_id).as_json()
    assert json.loads(json.dumps(told)) == told
    times = {name: told.pop(name) for name in ("drawn_at", "closed_at")}
    assert times["drawn_at"] < times["closed_at"]
    assert told == {
        "form": FORM,
        "audit": audit_id,
        "sentence": certificate(gallery.engine, audit_id).sentence,
        "model": {"name": "vases", "version": 3, "sha256": "0" * 64},
        "thresholds": {"x": 0.7},
        "data_provider": MUSEUM,
        "concept": {"uri": MAP, "label": "map"},
        "enrichments": RECORDS,
        "enrichments_sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "drawn": 80,
        "right": 77,
        "at_least": 0.925,
        "confidence": 0.95,
        "attempt": 1,
        "error": 0.025,
        "drawn_by": ANN,
        "judged_by": [ANN],
        "withdrawn": None,
    }


def test_its_digest_is_over_all_blocks_in_order(gallery: Gallery) -> None:
    audit_id = closed(gallery, 1, 1, provider=None, concept=None)
    rows = gallery.rows("SELECT concept_uri, record_id FROM enrichment")
    lines = sorted(f"{concept} {record_id}\n" for concept, record_id in rows)
    assert PAINTING in lines[-1]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert certificate(gallery.engine, audit_id).rows_sha256 == digest


def test_every_member_of_the_json_is_documented(gallery: Gallery) -> None:
    told = certificate(gallery.engine, closed(gallery, 1, 1)).as_json()
    documented = re.findall(r"^\| `(\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert documented == list(told)


def test_it_is_kept_when_rows_models_and_verdicts_change_later(gallery: Gallery) -> None:
    audit_id = closed(gallery, 5, 10)
    before = certificate(gallery.engine, audit_id)
    gallery.execute("DELETE FROM enrichment")
    gallery.execute("UPDATE model SET thresholds = '{}'")
    gallery.execute("UPDATE verdict SET withdrawn_at = now()")
    assert certificate(gallery.engine, audit_id) == before


def test_its_annex_has_the_verdicts_that_stood_when_it_was_closed(gallery: Gallery) -> None:
    audit_id = gallery.draw(3)
    right, disputed, _ = gallery.drawn(audit_id)
    for row in (right, disputed):
        gallery.judge(audit_id, row)
    gallery.judge(audit_id, disputed, VerdictKind.WRONG, BO)
    gallery.judge(None, right, VerdictKind.WRONG)  # of no audit
    close(gallery.engine, audit_id)
    before = annex(gallery.engine, audit_id)
    assert [each.said for each in before] == [
        ((ANN, "right"),),
        ((ANN, "right"), (BO, "wrong")),
        (),
    ]
    assert [each.is_right for each in before] == [True, False, False]
    assert (before[0].record_id, before[0].label) == (right.record_id, "map")
    gallery.execute("UPDATE verdict SET withdrawn_at = now()")
    gallery.judge(None, right, VerdictKind.CANNOT_TELL, BO)
    assert annex(gallery.engine, audit_id) == before


def test_it_is_withdrawn_with_its_model_and_says_why(gallery: Gallery) -> None:
    done, still_open = closed(gallery, 77, 80), gallery.draw(1)
    gallery.judge(still_open, gallery.drawn(still_open)[0], user_id=BO)
    assert certificate(gallery.engine, done).withdrawal == ""
    retire_model(gallery.engine, gallery.model_id)
    withdrawn = certificate(gallery.engine, done)
    assert withdrawn.withdrawal.endswith("the model was retired")
    assert withdrawn.as_json()["withdrawn"]["because"] == "the model was retired"
    assert withdrawn.sentence.startswith("Map enrichments of A museum")
    close(gallery.engine, still_open)
    assert certificate(gallery.engine, still_open).withdrawal
    retire_model(gallery.engine, gallery.model_id)
    assert certificate(gallery.engine, done) == withdrawn


def test_only_a_closed_audit_has_one(gallery: Gallery) -> None:
    audit_id = gallery.draw()
    with pytest.raises(UsageError, match="is open. Only a closed audit"):
        certificate(gallery.engine, audit_id)
    abandon(gallery.engine, audit_id)
    with pytest.raises(UsageError, match="is abandoned. Only a closed audit"):
        certificate(gallery.engine, audit_id)
    with pytest.raises(UsageError, match="no audit 99"):
        certificate(gallery.engine, 99)
