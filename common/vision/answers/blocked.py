"""What decisions block: predictions that are not to be written, enrichments not to be exported.

One rule for Python and for SQL: a concept is blocked for all, or for a data provider's records, or
the provider refuses all of them. Providers are compared by `provider_name`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from common.store.decisions import StandingBlock, standing_blocks
from common.vision.answers.data_providers import spellings_of
from common.vision.answers.provider_names import provider_name

FOR_ALL = "enrichment.concept_uri = ANY(CAST(:blocked_for_all AS text[]))"
REFUSED = """
    EXISTS (SELECT 1 FROM record WHERE record.id = enrichment.record_id
            AND record.data_provider = ANY(CAST(:refusing AS text[])))
"""
BY_PROVIDER = """
    EXISTS (SELECT 1 FROM record
            JOIN unnest(CAST(:blocking AS text[]), CAST(:blocked_there AS text[]))
                 AS blocked(data_provider, concept_uri) USING (data_provider)
            WHERE record.id = enrichment.record_id
              AND blocked.concept_uri = enrichment.concept_uri)
"""


@dataclass(frozen=True, kw_only=True)
class BlockedInSql:
    """Conditions on rows of `enrichment`, never null: those that meet any of them are blocked.

    `parameters` go with them.
    """

    conditions: tuple[str, ...]
    parameters: dict[str, Any]

    @property
    def is_blocked(self) -> str:
        return f"({' OR '.join(self.conditions)})" if self.conditions else "false"

    @property
    def is_free(self) -> str:
        """The condition of all others, in the form that Postgres plans best."""
        return " AND ".join(f"NOT {each}" for each in self.conditions) or "true"


@dataclass(frozen=True, kw_only=True)
class Blocks:
    for_all: frozenset[str]
    by_provider: Mapping[str, frozenset[str]]
    refusing: frozenset[str]

    @classmethod
    def read(cls, connection: Connection, *, hold: bool = False) -> "Blocks":
        """What standing decisions block; with `hold`, new ones wait until the transaction ends."""
        return cls.of(standing_blocks(connection, hold=hold))

    @classmethod
    def of(cls, blocks: Iterable[StandingBlock]) -> "Blocks":
        for_all: set[str] = set()
        refusing: set[str] = set()
        by_provider: defaultdict[str, set[str]] = defaultdict(set)
        for each in blocks:
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
        if concept_uri in self.for_all:
            return True
        if not (self.refusing or self.by_provider):
            return False
        name = provider_name(data_provider)
        return name in self.refusing or concept_uri in self.by_provider.get(name, ())

    def in_sql(self, connection: Connection) -> BlockedInSql:
        conditions: list[str] = []
        parameters: dict[str, Any] = {}
        named = self.refusing | self.by_provider.keys()
        spellings = spellings_of(connection, named) if named else {}
        if self.for_all:
            conditions.append(FOR_ALL)
            parameters["blocked_for_all"] = sorted(self.for_all)
        if self.refusing:
            conditions.append(REFUSED)
            parameters["refusing"] = [each for name in self.refusing for each in spellings[name]]
        if self.by_provider:
            conditions.append(BY_PROVIDER)
            pairs = [
                (spelt, concept_uri)
                for name, concepts in self.by_provider.items()
                for spelt in spellings[name]
                for concept_uri in concepts
            ]
            parameters["blocking"] = [spelt for spelt, _ in pairs]
            parameters["blocked_there"] = [concept_uri for _, concept_uri in pairs]
        return BlockedInSql(conditions=tuple(conditions), parameters=parameters)
