"""What foreign keys would do for enrichments, a statement at a time.

A foreign key is checked row by row, which took two thirds of the time of writing enrichments. These
triggers look at all rows of a statement together. A parent that is deleted while rows are written
is noticed by one side or the other: rows are checked after they are written, and the delete waits
for the transactions that have written some.
"""

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
