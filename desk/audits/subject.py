"""The subject of an audit: enrichments of a model. Counts the audits that may share its rows."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.store.model_names import ModelName
from common.vision.answers.blocked import Blocks
from common.vision.answers.data_providers import spellings_of
from common.vision.answers.provider_names import provider_name
from desk.audits.bounds import error_of

MOST_ATTEMPTS = 100  # after so many an audit could prove next to nothing


@dataclass(frozen=True, kw_only=True)
class AuditSubject:
    """The enrichments of a model version; of one data provider or one concept only, if named.

    Raises:
        UsageError: the concept's URI is not a plain text.
    """

    model_id: int
    data_provider: str | None = None
    concept_uri: str | None = None

    def __post_init__(self) -> None:
        if self.concept_uri is not None and not self.concept_uri.isprintable():
            raise UsageError(f"{self.concept_uri[:60]!r} is not the URI of a concept.")

    @property
    def values(self) -> dict[str, Any]:
        """Parameters for SQL. The provider's name is in the form of `provider_name`."""
        name = None if self.data_provider is None else provider_name(self.data_provider)
        return {
            "model_id": self.model_id,
            "data_provider": name,
            "concept_uri": self.concept_uri,
        }


@dataclass(frozen=True, kw_only=True)
class SubjectInSql:
    """A FROM clause for the rows of `enrichment` that a subject means, with its parameters."""

    clause: str
    parameters: dict[str, Any]


def in_sql(connection: Connection, subject: AuditSubject) -> SubjectInSql:
    """The enrichments of a subject that no decision blocks."""
    blocked = Blocks.read(connection).in_sql(connection)
    values = subject.values
    joined, conditions = "", ["enrichment.model_id = :model_id", blocked.is_free]
    if values["data_provider"] is not None:
        spellings = spellings_of(connection, [values["data_provider"]])
        values["spellings"] = spellings[values["data_provider"]]
        joined = "JOIN record AS of_provider ON of_provider.id = enrichment.record_id"
        conditions.append("of_provider.data_provider = ANY(CAST(:spellings AS text[]))")
    if subject.concept_uri is not None:
        conditions.append("enrichment.concept_uri = :concept_uri")
    return SubjectInSql(
        clause=f"FROM enrichment {joined} WHERE {' AND '.join(conditions)}",
        parameters=values | blocked.parameters,
    )


_MODEL = text("SELECT name, version, retired_at, thresholds FROM model WHERE id = :model_id")


def thresholds_of(connection: Connection, model_id: int) -> dict[str, Any]:
    """The thresholds of a model that can be audited.

    Raises:
        UsageError: there is no such model, or it was retired.
    """
    model = connection.execute(_MODEL, {"model_id": model_id}).one_or_none()
    if model is None:
        raise UsageError(f"There is no model with number {model_id}.")
    if model.retired_at is not None:
        title = ModelName(model.name, model.version).title
        raise UsageError(f"{title} is retired, so you cannot audit it. Put it in service first.")
    thresholds: dict[str, Any] = model.thresholds
    return thresholds


# Two audits share no rows only if both name a provider, or both name a concept, and they differ.
_ATTEMPTS = text("""
    SELECT count(*) FROM audit WHERE model_id = :model_id
      AND coalesce(data_provider = CAST(:data_provider AS text), true)
      AND coalesce(concept_uri = CAST(:concept_uri AS text), true)
""")


@dataclass(frozen=True, kw_only=True)
class AuditAttempt:
    """The number of an audit among those that may share its rows, and the error that it uses."""

    number: int

    @property
    def error(self) -> float:
        return error_of(self.number)


def next_attempt(connection: Connection, subject: AuditSubject) -> AuditAttempt:
    """The attempt that a new audit of this subject would be. Abandoned audits count too.

    Raises:
        UsageError: there were too many audits.
    """
    before = connection.execute(_ATTEMPTS, subject.values).scalar_one()
    if before >= MOST_ATTEMPTS:
        raise UsageError(
            f"These enrichments were audited {before} times, so another audit could prove almost "
            "nothing. Audit the enrichments of another model version."
        )
    return AuditAttempt(number=before + 1)
