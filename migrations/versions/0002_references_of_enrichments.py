"""check the references of enrichments once a statement; add when an enrichment last changed

Foreign keys took two thirds of the time of writing enrichments. Without the time of the last
change, an export of changes missed enrichments that a rerun had changed. The key begins with the
model: with an index on the model alone, Postgres used it to find a few records of a new model.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "check_written_enrichments",
    "check_changed_enrichment",
    "keep_enriched_parents",
    "keep_key",
)
PARENTS = {"record": "id", "concept": "uri", "model": "id", "job": "id"}

CHECK = """
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
AFTER_INSERTING = """
CREATE TRIGGER enrichments_name_what_is_there AFTER INSERT ON enrichment
REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION check_written_enrichments()
"""
AFTER_CHANGING = """
CREATE TRIGGER enrichment_names_what_is_there AFTER UPDATE ON enrichment FOR EACH ROW
WHEN ((OLD.record_id, OLD.concept_uri, OLD.model_id, OLD.job_id)
      IS DISTINCT FROM (NEW.record_id, NEW.concept_uri, NEW.model_id, NEW.job_id))
EXECUTE FUNCTION check_changed_enrichment()
"""
KEEP_ENRICHED = """
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
KEEP_KEY = """
CREATE FUNCTION keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = 'enrichments may name this ' || TG_TABLE_NAME;
END $$
"""


def upgrade() -> None:
    op.alter_column("enrichment", "created_at", new_column_name="updated_at")
    op.drop_index("ix_enrichment_job_id", table_name="enrichment")
    op.drop_index("ix_enrichment_model_id", table_name="enrichment")
    op.drop_constraint("pk_enrichment", "enrichment", type_="primary")
    op.create_primary_key("pk_enrichment", "enrichment", ["model_id", "record_id", "concept_uri"])
    for table, key in PARENTS.items():
        op.drop_constraint(f"fk_enrichment_{table}_{key}", "enrichment", type_="foreignkey")
    op.execute(CHECK.format(function="check_written_enrichments", written="written"))
    op.execute(
        CHECK.format(function="check_changed_enrichment", written="(SELECT NEW.*) AS written")
    )
    for statement in (KEEP_ENRICHED, KEEP_KEY, AFTER_INSERTING, AFTER_CHANGING):
        op.execute(statement)
    for table, key in PARENTS.items():
        op.execute(
            f"CREATE TRIGGER {table}_of_enrichments AFTER DELETE ON {table} "
            "REFERENCING OLD TABLE AS gone "
            f"FOR EACH STATEMENT EXECUTE FUNCTION keep_enriched_parents('{key}')"
        )
        op.execute(
            f"CREATE TRIGGER {table}_key_of_enrichments BEFORE UPDATE OF {key} ON {table} "
            f"FOR EACH ROW WHEN (OLD.{key} <> NEW.{key}) EXECUTE FUNCTION keep_key()"
        )


def downgrade() -> None:
    for table, key in PARENTS.items():
        op.execute(f"DROP TRIGGER {table}_key_of_enrichments ON {table}")
        op.execute(f"DROP TRIGGER {table}_of_enrichments ON {table}")
        op.create_foreign_key(
            f"fk_enrichment_{table}_{key}", "enrichment", table, [f"{table}_{key}"], [key]
        )
    op.execute("DROP TRIGGER enrichments_name_what_is_there ON enrichment")
    op.execute("DROP TRIGGER enrichment_names_what_is_there ON enrichment")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_constraint("pk_enrichment", "enrichment", type_="primary")
    op.create_primary_key("pk_enrichment", "enrichment", ["record_id", "concept_uri", "model_id"])
    op.create_index("ix_enrichment_model_id", "enrichment", ["model_id"])
    op.create_index("ix_enrichment_job_id", "enrichment", ["job_id"])
    op.alter_column("enrichment", "updated_at", new_column_name="created_at")
