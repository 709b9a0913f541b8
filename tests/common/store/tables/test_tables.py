"""Each CHECK refuses a row that only it stands against."""

import pytest
from sqlalchemy import CheckConstraint, insert
from sqlalchemy.exc import IntegrityError

from common.store.tables import Base

JOB = "00000000-0000-0000-0000-000000000001"
HASH = "a" * 64
STORED = {
    "state": "stored",
    "sha256": HASH,
    "path": f"aa/{HASH}.jpg",
    "source": "media",
    "width": 1,
    "height": 1,
}

# One good row of each table, in an order that foreign keys allow.
GOOD = {
    "concept": {"uri": "http://data.europeana.eu/concept/43", "label": "map"},
    "record": {"id": "/1/a"},
    "record_alias": {"old_id": "/1/b", "record_id": "/1/a"},
    "dataset": {"id": 1, "name": "maps"},
    "vocabulary": {
        "id": 1,
        "name": "museum",
        "version": 1,
        "fingerprint": HASH,
        "source": "museum.ttl",
    },
    "dataset_item": {
        "dataset_id": 1,
        "record_id": "/1/a",
        "concept_uri": "http://data.europeana.eu/concept/43",
        "source": "csv",
    },
    "harvest_cursor": {
        "dataset_id": 1,
        "concept_uri": "http://data.europeana.eu/concept/43",
        "search": {},
        "taken": 0,
    },
    "image": {"record_id": "/1/a", **STORED},
    "picture_verdict": {"sha256": HASH, "verdict": "picture"},
    "host_lease": {
        "host": "x.org",
        "process": "p",
        "slots": 2,
        "pace": 1.0,
        "paused_until": "2026-01-01T00:00:00Z",
        "lease_until": "2026-01-01T00:00:00Z",
    },
    "training_run": {
        "id": 1,
        "name": "run",
        "config": {},
        "dataset_fingerprint": HASH,
        "metrics": {},
    },
    "checkpoint": {"run_id": 1, "fold": 0, "path": "split_0", "sha256": HASH, "metrics": {}},
    "model": {
        "id": 1,
        "name": "model",
        "version": 1,
        "path": "model",
        "sha256": HASH,
        "labels": [],
        "thresholds": {},
    },
    "job": {"id": JOB, "model_id": 1},
    "job_chunk": {"job_id": JOB, "number": 0, "record_ids": ["/1/a"]},
    "job_failure": {"job_id": JOB, "record_id": "/1/a", "stage": "fetch", "reason": "dns"},
    "enrichment": {
        "record_id": "/1/a",
        "concept_uri": "http://data.europeana.eu/concept/43",
        "model_id": 1,
        "confidence": 0.5,
        "source": "media",
        "image_url": "http://x.org/a.jpg",
        "job_id": JOB,
    },
    "heatmap": {
        "record_id": "/1/a",
        "concept_uri": "http://data.europeana.eu/concept/43",
        "model_id": 1,
        "image_url": "http://x.org/a.jpg",
        "sha256": HASH,
    },
    "encoder": {"id": 1, "name": "e", "sha256": HASH, "network": "timm:x", "dimension": 768},
    "picture_seen": {
        "record_id": "/1/a",
        "source": "media",
        "url": "http://x.org/a.jpg",
        "sha256": b"a" * 32,
    },
    "desk_user": {"id": 1, "name": "a reviewer", "role": "reviewer"},
    "desk_session": {
        "token_sha256": b"a" * 32,
        "user_id": 1,
        "csrf": "word",
        "ends_at": "2026-01-01T00:00:00Z",
    },
    "api_token": {"user_id": 1, "token_sha256": b"a" * 32, "per_minute": 60},
    "audit": {
        "id": 1,
        "model_id": 1,
        "thresholds": {},
        "rows": 10,
        "sample": 10,
        "attempt": 1,
        "error": 0.025,
        "drawn_by": 1,
    },
    "verdict": {
        "id": JOB,
        "record_id": "/1/a",
        "concept_uri": "http://data.europeana.eu/concept/43",
        "said": "right",
        "user_id": 1,
    },
    "decision": {
        "decided": "blocked",
        "concept_uri": "http://data.europeana.eu/concept/43",
        "reason": "too general",
        "decided_by": 1,
    },
    "publication_plan": {"id": 1, "precision": 0.95, "counts": {}, "audits": []},
    "publication": {
        "record_id": "/1/a",
        "concept_uri": "http://data.europeana.eu/concept/43",
        "plan_id": 1,
        "audits": [],
    },
    "withdrawal": {"model_id": 1, "confirmed_too": False, "reason": "wrong pictures"},
    "publisher_sync": {"read_until": "2026-01-01T00:00:00Z"},
    "refit": {"id": 1, "model_id": 1, "data_provider": "A museum"},
    "schema_compatibility": {"serves_from": "0006"},  # last: the migrations wrote its one row
}

BAD = [
    ("publication_plan", "precision_is_share", {"precision": 0}),
    ("publication_plan", "precision_is_share", {"precision": 1.1}),
    ("publication", "state_known", {"state": "lost"}),
    ("publication", "posted_has_id", {"state": "posted"}),
    ("publication", "posted_has_id", {"state": "withdrawing"}),
    ("withdrawal", "names_one", {"model_id": None}),
    ("withdrawal", "names_one", {"data_provider": "A museum"}),
    ("publisher_sync", "one_row", {"only_row": False}),
    ("encoder", "sha256_form", {"sha256": "A" * 64}),
    ("encoder", "dimension_fits_a_page", {"dimension": 0}),
    ("encoder", "dimension_fits_a_page", {"dimension": 4001}),
    ("picture_seen", "source_known", {"source": "scan"}),
    ("picture_seen", "sha256_form", {"sha256": b"a" * 31}),
    ("concept", "uri_is_http", {"uri": "concept/43"}),
    ("concept", "uri_is_http", {"uri": "ftp://x.org/43"}),
    ("concept", "uri_is_current", {"uri": "http://data.europeana.eu/concept/base/43"}),
    ("concept", "uri_is_current", {"uri": "https://data.europeana.eu/agent/base/43"}),
    ("record", "id_form", {"id": "1/a"}),
    ("record", "id_form", {"id": "/1/a-b"}),
    ("record", "id_form", {"id": "/1/a\n"}),
    ("record", "id_form", {"id": "http://data.europeana.eu/item/1/a"}),
    ("record_alias", "old_id_form", {"old_id": "/1/b/c"}),
    ("record_alias", "moved", {"old_id": "/1/a"}),
    ("vocabulary", "name_form", {"name": "a museum"}),
    ("vocabulary", "version_positive", {"version": 0}),
    ("dataset", "name_form", {"name": ""}),
    ("dataset", "name_form", {"name": "../maps"}),
    ("dataset", "name_form", {"name": ".maps"}),
    ("dataset_item", "source_known", {"source": "guess"}),
    ("harvest_cursor", "taken_not_negative", {"taken": -1}),
    ("image", "state_known", dict.fromkeys(STORED) | {"state": "lost", "reason": "x"}),
    ("image", "source_known", {"source": "guess"}),
    ("image", "stored_is_whole", {"sha256": None}),
    ("image", "stored_is_whole", {"path": None}),
    ("image", "stored_is_whole", {"source": None}),
    ("image", "stored_is_whole", {"width": None}),
    ("image", "stored_is_whole", {"height": None}),
    ("image", "stored_is_whole", {"state": "failed", "reason": "dns"}),
    ("image", "reason_when_not_stored", {"reason": "dns"}),
    ("image", "reason_when_not_stored", dict.fromkeys(STORED) | {"state": "failed"}),
    ("image", "sha256_form", {"sha256": "A" * 64}),
    ("image", "sha256_form", {"sha256": "a" * 63}),
    ("image", "size_positive", {"width": 0}),
    ("image", "size_positive", {"height": 0}),
    ("image", "attempts_positive", {"attempts": 0}),
    ("picture_verdict", "sha256_form", {"sha256": "A" * 64}),
    ("picture_verdict", "verdict_known", {"verdict": "maybe"}),
    ("host_lease", "slots_not_negative", {"slots": -1}),
    ("host_lease", "pace_is_share", {"pace": 0.0}),
    ("host_lease", "pace_is_share", {"pace": 1.01}),
    ("checkpoint", "sha256_form", {"sha256": ""}),
    ("checkpoint", "fold_not_negative", {"fold": -1}),
    ("model", "stage_known", {"stage": "best"}),
    ("model", "sha256_form", {"sha256": "x" * 64}),
    ("model", "version_positive", {"version": 0}),
    ("job", "state_known", {"state": "lost"}),
    ("job", "priority_known", {"priority": "high"}),
    ("job", "picture_known", {"picture": "best"}),
    ("job", "total_not_negative", {"total": -1}),
    ("job", "chunks_not_negative", {"chunks": -1}),
    ("job", "finished_has_time", {"state": "done"}),
    ("job", "finished_has_time", {"state": "cancelled"}),
    ("job", "finished_has_time", {"state": "running", "finished_at": "2026-01-01T00:00:00Z"}),
    ("job", "request_sha256_form", {"request_sha256": b"a"}),
    ("job_chunk", "state_known", {"state": "lost"}),
    ("job_chunk", "record_ids_bounded", {"record_ids": ["/1/a"] * 257}),
    ("job_chunk", "token_covers_attempts", {"attempt": -1}),
    ("job_chunk", "token_covers_attempts", {"retries": -1}),
    ("job_chunk", "token_covers_attempts", {"attempt": 2, "token": 1}),
    ("job_chunk", "settled_has_time", {"state": "done", "enriched": 1}),
    ("job_chunk", "settled_has_time", {"settled_at": "2026-01-01T00:00Z"}),
    ("job_chunk", "outcomes_add_up", {"state": "done"}),
    ("job_chunk", "outcomes_add_up", {"state": "dead"}),
    ("job_chunk", "outcomes_add_up", {"state": "done", "enriched": 1, "failed": 1}),
    ("job_chunk", "outcomes_add_up", {"state": "done", "enriched": 2, "failed": -1}),
    ("job_chunk", "outcomes_add_up", {"state": "done", "enriched": 1, "unlike": 1}),
    ("job_chunk", "outcomes_add_up", {"state": "done", "enriched": 2, "unlike": -1}),
    ("job_failure", "stage_known", {"stage": "dream"}),
    ("enrichment", "confidence_is_probability", {"confidence": 1.01}),
    ("enrichment", "confidence_is_probability", {"confidence": -0.01}),
    ("enrichment", "confidence_is_probability", {"confidence": float("nan")}),
    ("enrichment", "source_known", {"source": "guess"}),
    ("heatmap", "sha256_form", {"sha256": "../a"}),
    ("dataset_item", "weight_positive", {"weight": 0.0}),
    ("dataset_item", "weight_positive", {"weight": float("nan")}),
    ("job_chunk", "outcomes_add_up", {"state": "done", "enriched": 2, "blocked": -1}),
    ("desk_user", "role_known", {"role": "king"}),
    ("desk_user", "nameless_has_ended", {"name": None}),
    (
        "desk_user",
        "forgotten_is_whole",
        {"name": None, "ended_at": "2026-01-01T00:00:00Z", "password": "x"},
    ),
    ("desk_session", "token_sha256_form", {"token_sha256": b"a"}),
    ("api_token", "token_sha256_form", {"token_sha256": b"a"}),
    ("api_token", "per_minute_positive", {"per_minute": 0}),
    ("audit", "state_known", {"state": "lost", "ended_at": "2026-01-01T00:00:00Z"}),
    ("audit", "sample_of_rows", {"sample": 11}),
    ("audit", "attempt_positive", {"attempt": 0}),
    ("audit", "error_is_probability", {"error": 0.0}),
    ("audit", "closed_has_result", {"state": "closed", "ended_at": "2026-01-01T00:00:00Z"}),
    ("audit", "closed_has_result", {"right_ones": 1, "precision": 0.1}),
    ("audit", "right_ones_of_sample", {"right_ones": 11}),
    ("audit", "precision_is_share", {"precision": 1.1}),
    ("audit", "ended_has_time", {"state": "abandoned"}),
    ("audit", "withdrawn_has_reason", {"withdrawn_at": "2026-01-01T00:00:00Z"}),
    ("verdict", "said_known", {"said": "perhaps"}),
    ("verdict", "instead_of_what", {"instead_uri": "http://x.org/1"}),
    (
        "verdict",
        "instead_differs",
        {"said": "wrong", "instead_uri": "http://data.europeana.eu/concept/43"},
    ),
    ("decision", "decided_known", {"decided": "liked", "concept_uri": None, "data_provider": "m"}),
    ("decision", "block_has_uri", {"concept_uri": None}),
    ("decision", "word_of_whom", {"decided": "refused", "concept_uri": None}),
    ("decision", "undone_by_whom", {"undone_by": 1}),
    ("refit", "ended_has_outcome", {"ended_at": "2026-01-01T00:00:00Z"}),
    ("refit", "ended_has_outcome", {"problem": "none"}),
    ("schema_compatibility", "one_row", {"only_row": False}),
    ("schema_compatibility", "serves_from_form", {"serves_from": "6"}),
    ("schema_compatibility", "serves_from_form", {"serves_from": "ae10"}),
]


def insert_rows(connection, last, row):
    for table, good in GOOD.items():
        if table == last:
            break
        connection.execute(insert(Base.metadata.tables[table]).values(good))
    connection.execute(insert(Base.metadata.tables[last]).values(row))


def test_the_good_rows_are_good(connection):
    insert_rows(connection, "refit", GOOD["refit"])


@pytest.mark.parametrize(
    ("table", "check", "change"), BAD, ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_bad_row_is_refused_by_its_check(connection, table, check, change):
    with pytest.raises(IntegrityError) as refusal:
        insert_rows(connection, table, GOOD[table] | change)
    assert refusal.value.orig.diag.constraint_name == f"ck_{table}_{check}"


def test_every_check_has_a_bad_row():
    checks = {
        constraint.name
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert checks == {f"ck_{table}_{check}" for table, check, _ in BAD}


def test_one_model_is_active_at_a_time(connection):
    models = Base.metadata.tables["model"]
    connection.execute(insert(models).values(GOOD["model"] | {"stage": "active"}))
    second = {"id": 2, "version": 2, "sha256": "b" * 64, "stage": "active"}
    with pytest.raises(IntegrityError, match="uq_model_active"):
        connection.execute(insert(models).values(GOOD["model"] | second))
