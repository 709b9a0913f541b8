"""What all reviewers together say of a concept of a record, as exports need it."""

# Where someone judged twice, in an audit and outside it, the later verdict counts. Verdicts of an
# audit that is not closed count nowhere.
STANDING_VERDICTS = """
    SELECT record_id, concept_uri,
           CASE WHEN wrong > rights THEN 'wrong'
                WHEN rights > 0 AND wrong + too_general > 0 THEN 'disputed'
                WHEN rights > 0 THEN 'right'
                WHEN too_general > 0 THEN 'too_general'
                ELSE 'cannot_tell' END AS verdict, confirmed_at
    FROM (
        SELECT record_id, concept_uri,
               count(*) FILTER (WHERE said = 'right') AS rights,
               count(*) FILTER (WHERE said = 'wrong') AS wrong,
               count(*) FILTER (WHERE said = 'too_general') AS too_general,
               max(judged_at) FILTER (WHERE said = 'right') AS confirmed_at
        FROM (
            SELECT DISTINCT ON (record_id, about.uri, user_id)
                   record_id, about.uri AS concept_uri, about.said, verdict.judged_at
            FROM verdict LEFT JOIN audit ON audit.id = verdict.audit_id
            CROSS JOIN LATERAL (VALUES (verdict.concept_uri, verdict.said),
                                       (verdict.instead_uri, 'right')) AS about(uri, said)
            WHERE verdict.withdrawn_at IS NULL AND about.uri IS NOT NULL
              AND (verdict.audit_id IS NULL OR audit.state = 'closed')
            ORDER BY record_id, about.uri, user_id, verdict.judged_at DESC
        ) AS last_said
        GROUP BY record_id, concept_uri
    ) AS counted
"""
"""A query with a row for each judged concept of a record, and one `verdict` of all reviewers.

A concept that someone names instead of another one is called right by that. `wrong` if more
reviewers say wrong than right; `disputed` if some call it right and others wrong or
too general; else what they say. `confirmed_at` is when it was last called right.
"""


def judged_conditions(row: str) -> dict[str, str]:
    """The SQL conditions of an enrichment `row` by what pages show: judged or not, and disputed.

    Verdicts of audits are not among them.
    """
    said = f"""
        SELECT FROM verdict AS said WHERE said.record_id = {row}.record_id
           AND (said.concept_uri = {row}.concept_uri OR said.instead_uri = {row}.concept_uri)
           AND said.withdrawn_at IS NULL AND said.audit_id IS NULL
    """
    differing = f"""
        CASE WHEN said.instead_uri = {row}.concept_uri THEN 'right'
        ELSE said.said || coalesce(said.instead_uri, '') END
    """
    return {
        "no": f"NOT EXISTS ({said} OFFSET 0)",
        "yes": f"EXISTS ({said} OFFSET 0)",
        "disputed": f"EXISTS ({said} HAVING count(DISTINCT {differing}) > 1)",
    }
