"""The models of a job: one, or others as well for records of some data providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.vision.answers.provider_names import provider_name


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The models that serve data providers, by `provider_name`; `model_id` serves all others."""

    model_id: int
    by_provider: Mapping[str, int] = field(default_factory=dict)

    @property
    def model_ids(self) -> tuple[int, ...]:
        """The numbers of all of them; the first one serves all others."""
        return (self.model_id, *sorted({*self.by_provider.values()} - {self.model_id}))

    def model_of(self, data_provider: str) -> int:
        if not self.by_provider:
            return self.model_id
        return self.by_provider.get(provider_name(data_provider), self.model_id)


ROUTED_MODEL = """
    CASE WHEN job.routes IS NULL THEN job.model_id ELSE coalesce(CAST(job.routes ->> (
        SELECT coalesce(CAST(:odd_spellings AS jsonb) ->> data_provider, data_provider)
        FROM record WHERE record.id = {record_id}
    ) AS int), job.model_id) END
"""
"""The same in SQL, of a `job` and a record; `odd_spellings` as JSON."""
