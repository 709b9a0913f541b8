"""What triggers do: they check what enrichments refer to, and count what records came to.

They also keep a trace of enrichments that are removed.

**References.** What foreign keys would do for enrichments, a statement at a time. A foreign key is
checked row by row, which took two thirds of the time of writing enrichments. These triggers look at
all rows of a statement together. A parent that is deleted while rows are written is noticed by one
side or the other: rows are checked after they are written, and the delete waits for the
transactions that have written some.

**Removed enrichments.** Exports name statements to take back, so a removal must leave a trace. A
trigger sees every removal, also by a worker of an older release. Two transactions never write the
same trace at once, since only one of them can remove the enrichment: they wait for nothing more
than before, and do not deadlock.

**Outcomes.** A job's counts are sums over its chunks. To read all chunks of ten million records for
them took 0.4 s. Triggers see every change, whichever release made it, so the sums always agree.
Each count is in parts, so that workers rarely wait for one another; the sum over the parts counts.
A transaction that changes a job's row locks it first, then the counts of failures, then those of
outcomes: so there is no waiting in a circle.
"""

from common.store.tables.jobs import UNFINISHED
from common.store.tables.outcomes import COUNTED

PARENTS = {"record": "id", "concept": "uri", "model": "id", "job": "id"}

_CHECK = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing text;
BEGIN
    SELECT reference INTO missing FROM (
        SELECT 'record ' || record_id AS reference FROM {written}
        WHERE NOT EXISTS (SELECT FROM record WHERE id = record_id)
        UNION ALL
        SELECT 'concept ' || concept_uri FROM (SELECT DISTINCT concept_uri FROM {written}) AS named
        WHERE NOT EXISTS (SELECT FROM concept WHERE uri = concept_uri)
        UNION ALL
        SELECT 'model ' || model_id FROM (SELECT DISTINCT model_id FROM {written}) AS named
        WHERE NOT EXISTS (SELECT FROM model WHERE id = model_id)
        UNION ALL
        SELECT 'job ' || job_id FROM (SELECT DISTINCT job_id FROM {written}) AS named
        WHERE NOT EXISTS (SELECT FROM job WHERE id = job_id)
    ) AS missing_ones LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'an enrichment names a missing ' || missing;
    END IF;
    RETURN NULL;
END $$
"""
_KEEP_ENRICHED = """
CREATE FUNCTION keep_enriched_parents() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    enriched boolean;
BEGIN
    LOCK TABLE enrichment IN SHARE MODE;
    EXECUTE format('SELECT EXISTS (SELECT FROM enrichment JOIN gone ON gone.%I = enrichment.%I)',
                   TG_ARGV[0], TG_TABLE_NAME || '_' || TG_ARGV[0]) INTO enriched;
    IF enriched THEN
        RAISE foreign_key_violation USING MESSAGE = 'enrichments name this ' || TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$
"""
_KEEP_KEY = """
CREATE FUNCTION keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = 'enrichments may name this ' || TG_TABLE_NAME;
END $$
"""


_AFTER_INSERTING = """
CREATE TRIGGER enrichments_name_what_is_there AFTER INSERT ON enrichment
REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION check_written_enrichments()
"""
# For each row, since few of the changed rows refer to something else than before.
_AFTER_CHANGING = """
CREATE TRIGGER enrichment_names_what_is_there AFTER UPDATE ON enrichment FOR EACH ROW
WHEN ((OLD.record_id, OLD.concept_uri, OLD.model_id, OLD.job_id)
      IS DISTINCT FROM (NEW.record_id, NEW.concept_uri, NEW.model_id, NEW.job_id))
EXECUTE FUNCTION check_changed_enrichment()
"""
_AFTER_DELETING = """
CREATE TRIGGER {table}_of_enrichments AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION keep_enriched_parents('{key}')
"""
_BEFORE_RENAMING = """
CREATE TRIGGER {table}_key_of_enrichments BEFORE UPDATE OF {key} ON {table}
FOR EACH ROW WHEN (OLD.{key} <> NEW.{key}) EXECUTE FUNCTION keep_key()
"""

REFERENCES = (
    _CHECK.format(function="check_written_enrichments", written="written"),
    _CHECK.format(function="check_changed_enrichment", written="(SELECT NEW.*) AS written"),
    _KEEP_ENRICHED,
    _KEEP_KEY,
    _AFTER_INSERTING,
    _AFTER_CHANGING,
    *(_AFTER_DELETING.format(table=table, key=key) for table, key in PARENTS.items()),
    *(_BEFORE_RENAMING.format(table=table, key=key) for table, key in PARENTS.items()),
)

_NOTE_REMOVED = """
CREATE FUNCTION note_removed_enrichments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO enrichment_removed (model_id, record_id, concept_uri)
    SELECT model_id, record_id, concept_uri FROM gone
    ON CONFLICT (model_id, record_id, concept_uri) DO UPDATE SET removed_at = now();
    RETURN NULL;
END $$
"""
_AFTER_REMOVING = """
CREATE TRIGGER enrichments_leave_a_trace AFTER DELETE ON enrichment REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION note_removed_enrichments()
"""
TRACING = (_NOTE_REMOVED, _AFTER_REMOVING)

PARTS = 16  # rows of counts, at most, that a job has
_PUT_OFF = (
    "CASE WHEN {row}.put_off AND {row}.settled_at IS NULL "
    "THEN cardinality({row}.record_ids) ELSE 0 END"
)
_CHANGES = ", ".join(
    [f"coalesce(NEW.{name}, 0) - coalesce(OLD.{name}, 0)" for name in COUNTED]
    + [f"{_PUT_OFF.format(row='NEW')} - {_PUT_OFF.format(row='OLD')}"]
)
_ADDED = ", ".join(f"{name} = counted.{name} + excluded.{name}" for name in (*COUNTED, "put_off"))
# What is deleted may belong to a job that is deleted: then there is nothing to count.
_COUNT = f"""
CREATE FUNCTION count_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE job_outcomes SET put_off = put_off - cardinality(OLD.record_ids)
        WHERE job_id = OLD.job_id AND part = OLD.number % {PARTS};
    ELSE
        INSERT INTO job_outcomes AS counted (job_id, part, {", ".join(COUNTED)}, put_off)
        VALUES (NEW.job_id, NEW.number % {PARTS}, {_CHANGES})
        ON CONFLICT (job_id, part) DO UPDATE SET
            {_ADDED};
    END IF;
    RETURN NULL;
END $$
"""
_COUNT_ADDED = """
CREATE TRIGGER outcomes_of_added_chunk AFTER INSERT ON job_chunk FOR EACH ROW
WHEN (NEW.put_off OR NEW.settled_at IS NOT NULL) EXECUTE FUNCTION count_outcomes()
"""
_COUNT_CHANGED = f"""
CREATE TRIGGER outcomes_of_changed_chunk AFTER UPDATE ON job_chunk FOR EACH ROW
WHEN ((OLD.settled_at, OLD.put_off, {", ".join(f"OLD.{one}" for one in COUNTED)})
      IS DISTINCT FROM (NEW.settled_at, NEW.put_off, {", ".join(f"NEW.{one}" for one in COUNTED)}))
EXECUTE FUNCTION count_outcomes()
"""
_COUNT_REMOVED = """
CREATE TRIGGER outcomes_of_removed_chunk AFTER DELETE ON job_chunk FOR EACH ROW
WHEN (OLD.put_off AND OLD.settled_at IS NULL) EXECUTE FUNCTION count_outcomes()
"""
# A process writes into one part, and in the order of the reasons. Failures of a job that is over
# are forgotten by `worker prune` alone, which keeps the counts.
_COUNT_FAILURES = f"""
CREATE FUNCTION count_failures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO job_failure_count AS counted (job_id, reason, part, records)
        SELECT job_id, reason, pg_backend_pid() % {PARTS}, -count(*) FROM gone
        WHERE EXISTS (SELECT FROM job WHERE id = job_id AND {UNFINISHED})
        GROUP BY job_id, reason ORDER BY job_id, reason
        ON CONFLICT (job_id, reason, part)
            DO UPDATE SET records = counted.records + excluded.records;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO job_failure_count AS counted (job_id, reason, part, records)
        SELECT job_id, reason, pg_backend_pid() % {PARTS}, count(*) FROM written
        GROUP BY job_id, reason ORDER BY job_id, reason
        ON CONFLICT (job_id, reason, part)
            DO UPDATE SET records = counted.records + excluded.records;
    END IF;
    RETURN NULL;
END $$
"""
_COUNT_FAILURES_ON = """
CREATE TRIGGER count_of_{event} AFTER {action} ON job_failure {tables}
FOR EACH STATEMENT EXECUTE FUNCTION count_failures()
"""
_WRITTEN, _GONE = "NEW TABLE AS written", "OLD TABLE AS gone"
COUNTING = (
    _COUNT,
    _COUNT_ADDED,
    _COUNT_CHANGED,
    _COUNT_REMOVED,
    _COUNT_FAILURES,
    *(
        _COUNT_FAILURES_ON.format(event=event, action=action, tables=f"REFERENCING {tables}")
        for event, action, tables in (
            ("new_failures", "INSERT", _WRITTEN),
            ("changed_failures", "UPDATE", f"{_WRITTEN} {_GONE}"),
            ("forgotten_failures", "DELETE", _GONE),
        )
    ),
)
