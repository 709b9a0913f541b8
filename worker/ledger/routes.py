"""Routes of a job: which of its models answers for a record, by the record's data provider."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.vision.answers.provider_names import provider_name


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The models that serve data providers, by `provider_name`; `model_id` serves all others."""

    model_id: int
    by_provider: Mapping[str, int]

    def model_of(self, data_provider: str) -> int:
        """The number of the model that answers for a record of this provider."""
        return self.by_provider.get(provider_name(data_provider), self.model_id)


ROUTED_MODEL = """
    coalesce(CAST(job.routes ->> (
        SELECT coalesce(CAST(:odd_spellings AS jsonb) ->> data_provider, data_provider)
        FROM record WHERE record.id = {record_id}
    ) AS int), job.model_id)
"""
"""The same in SQL, of a `job` with routes and a record; `odd_spellings` as JSON."""
