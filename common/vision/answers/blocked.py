"""What decisions block: predictions that are not to be written, enrichments not to be exported.

One rule for Python and for SQL: a concept is blocked for all, or for a data provider's records, or
the provider refuses all of them. Providers are compared by `provider_name`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from common.store.decisions import standing_blocks
from common.vision.answers.provider_names import provider_name
from common.vision.answers.spellings import spellings_of

NEVER = "false"


@dataclass(frozen=True, kw_only=True)
class BlockedInSql:
    """A condition on rows of `enrichment` that holds for those that are blocked, never null.

    `parameters` go with it.
    """

    condition: str
    parameters: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """What is blocked: concepts for all, and by data provider, and providers that refuse."""

    for_all: frozenset[str]
    by_provider: Mapping[str, frozenset[str]]
    refusing: frozenset[str]

    @classmethod
    def read(cls, connection: Connection, *, hold: bool = False) -> "Blocks":
        """What standing decisions block; `hold` lets nobody decide until the transaction ends."""
        for_all: set[str] = set()
        refusing: set[str] = set()
        by_provider: defaultdict[str, set[str]] = defaultdict(set)
        for each in standing_blocks(connection, hold=hold):
            if each.data_provider is None:
                for_all.add(each.concept_uri or "")
            elif each.concept_uri is None:
                refusing.add(provider_name(each.data_provider))
            else:
                by_provider[provider_name(each.data_provider)].add(each.concept_uri)
        return cls(
            for_all=frozenset(for_all),
            by_provider={name: frozenset(uris) for name, uris in by_provider.items()},
            refusing=frozenset(refusing),
        )

    def __bool__(self) -> bool:
        return bool(self.for_all or self.by_provider or self.refusing)

    def block(self, concept_uri: str, data_provider: str) -> bool:
        """Whether a concept of a record of this provider is blocked."""
        if concept_uri in self.for_all:
            return True
        if not (self.refusing or self.by_provider):
            return False
        name = provider_name(data_provider)
        return name in self.refusing or concept_uri in self.by_provider.get(name, ())

    def in_sql(self, connection: Connection) -> BlockedInSql:
        """The same for statements on `enrichment`."""
        conditions: list[str] = []
        parameters: dict[str, Any] = {}
        if self.for_all:
            conditions.append("enrichment.concept_uri = ANY(CAST(:blocked_for_all AS text[]))")
            parameters["blocked_for_all"] = sorted(self.for_all)
        if self.refusing or self.by_provider:
            conditions.append(_OF_PROVIDERS)
            parameters |= self._of_providers(connection)
        return BlockedInSql(
            condition=f"({' OR '.join(conditions)})" if conditions else NEVER, parameters=parameters
        )

    def _of_providers(self, connection: Connection) -> dict[str, list[str]]:
        spellings = spellings_of(connection, self.refusing | self.by_provider.keys())
        pairs = [
            (spelt, concept_uri)
            for name, concepts in self.by_provider.items()
            for spelt in spellings[name]
            for concept_uri in concepts
        ]
        return {
            "blocked_refusing": [spelt for name in self.refusing for spelt in spellings[name]],
            "blocked_providers": [spelt for spelt, _ in pairs],
            "blocked_there": [concept_uri for _, concept_uri in pairs],
        }


_OF_PROVIDERS = """
    EXISTS (
        SELECT 1 FROM record WHERE record.id = enrichment.record_id
        AND (record.data_provider = ANY(CAST(:blocked_refusing AS text[]))
             OR (record.data_provider, enrichment.concept_uri) IN (
                 SELECT * FROM unnest(CAST(:blocked_providers AS text[]),
                                      CAST(:blocked_there AS text[]))))
    )
"""
