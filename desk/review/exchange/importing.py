"""Import of verdicts: each is saved as one of an account, outside audits, and teaches like others.

A reviewer of a file gets an account that has ended when it begins, so that it can never log in.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import InvalidRecordIdError, UsageError
from common.europeana.concept_uris import current_concept_uri
from common.europeana.linked_data import iri
from common.europeana.record_ids import parse_record_id
from common.files import output_stream
from common.process.foreign_text import guard_row
from common.process.terminal.progress import progress
from desk.access.accounts import LONGEST_NAME, checked_name, find_account, lock_names
from desk.review.exchange.foreign_verdict import ForeignVerdict, ItemFate, ItemFinding
from desk.review.exchange.read_exports import read_verdicts
from desk.review.verdicts import MOST_AT_ONCE, NewVerdict, judge

REPORT_HEADER = ("item", "fate", "reviewer", "record", "concept", "detail")
_CONCEPTS = text("SELECT uri FROM concept")
_MODELS = text("SELECT name || ' v' || version AS title, id FROM model")
_RECORDS = text("""
    SELECT asked.id AS given, coalesce(alias.record_id, asked.id) AS present
    FROM unnest(CAST(:ids AS text[])) AS asked(id)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    JOIN record ON record.id = coalesce(alias.record_id, asked.id)
""")
_KNOWN = text("SELECT id FROM verdict WHERE id = ANY(CAST(:ids AS uuid[]))")
_ADD_ENDED = text("""
    INSERT INTO desk_user (name, role, ended_at) VALUES (:name, 'reviewer', now()) RETURNING id
""")


@dataclass(frozen=True, kw_only=True)
class VerdictImport:
    """How many verdicts, or items without one, came to each fate; and the report on all."""

    fates: Mapping[ItemFate, int]
    report: str


@dataclass(frozen=True)
class _Store:
    """What the store knows of the things that a file names."""

    records: Mapping[str, str]
    concepts: Mapping[str, str]
    models: Mapping[str, int]
    verdicts: frozenset[UUID]

    @classmethod
    def read(cls, connection: Connection, given: Iterable[ForeignVerdict]) -> "_Store":
        named = {each: _record_id(each) for each in {verdict.record for verdict in given}}
        asked = {"ids": [each for each in set(named.values()) if each]}
        present = {row.given: row.present for row in connection.execute(_RECORDS, asked)}
        uris = connection.scalars(_CONCEPTS).all()
        known = {"ids": [str(verdict.id) for verdict in given]}
        return cls(
            records={each: present[name] for each, name in named.items() if name in present},
            concepts={iri(uri): uri for uri in uris} | {uri: uri for uri in uris},
            models={row.title: row.id for row in connection.execute(_MODELS)},
            verdicts=frozenset(connection.scalars(_KNOWN, known)),
        )

    def concept(self, uri: str) -> str | None:
        return self.concepts.get(uri) or self.concepts.get(current_concept_uri(uri))


def import_verdicts(engine: Engine, file: Path, *, report_path: Path) -> VerdictImport:
    """Save the verdicts of a file that are new, and write what happened to each item.

    Raises:
        UsageError: the file is none of verdicts, or the report would replace it.
    """
    if report_path.resolve() == file.resolve():
        raise UsageError(f"The report would replace {file}. Give another --report.")
    items = read_verdicts(file)
    given = [each for each in items if isinstance(each, ForeignVerdict)]
    with engine.connect() as connection:
        store = _Store.read(connection, given)
    findings = [each for each in items if isinstance(each, ItemFinding)]
    new: dict[str, list[tuple[ForeignVerdict, NewVerdict]]] = {}
    ids: set[UUID] = set()
    for verdict, last in _with_last(given, store):
        found = _matched(verdict, store) if verdict is last else _superseded(verdict, last)
        if isinstance(found, ItemFinding):
            findings.append(found)
        elif found.id in ids:
            findings.append(_finding(verdict, ItemFate.UNREADABLE, "its ID is there twice"))
        else:
            ids.add(found.id)
            new.setdefault(verdict.reviewer, []).append((verdict, found))
    with progress("import") as shown:
        for reviewer, verdicts in new.items():
            findings += _save(engine, reviewer, verdicts)
            shown.advance(len(verdicts))
    _write_report(report_path, findings)
    return VerdictImport(fates=Counter(each.fate for each in findings), report=str(report_path))


def _with_last(
    given: Iterable[ForeignVerdict], store: _Store
) -> Iterator[tuple[ForeignVerdict, ForeignVerdict]]:
    """Each verdict, and the last one of its reviewer on the same concept of the same record."""
    keyed = [
        ((each.reviewer, store.records.get(each.record), store.concept(each.concept)), each)
        for each in given
    ]
    last = dict(keyed)
    for key, each in keyed:
        yield each, each if None in key else last[key]


def _superseded(verdict: ForeignVerdict, last: ForeignVerdict) -> ItemFinding:
    is_same = (verdict.said, verdict.instead) == (last.said, last.instead)
    fate = ItemFate.ALREADY_THERE if is_same else ItemFate.CONTRADICTED
    return _finding(verdict, fate, f"item {last.item}: {last.said}")


def _matched(verdict: ForeignVerdict, store: _Store) -> NewVerdict | ItemFinding:
    if verdict.id in store.verdicts:
        return _finding(verdict, ItemFate.ALREADY_THERE)
    record = store.records.get(verdict.record)
    if record is None:
        return _finding(verdict, ItemFate.UNKNOWN_RECORD)
    concept = store.concept(verdict.concept)
    instead = store.concept(verdict.instead) if verdict.instead else None
    if concept is None or (verdict.instead and instead is None):
        return _finding(verdict, ItemFate.UNKNOWN_CONCEPT, verdict.instead or "")
    try:
        return NewVerdict(
            id=verdict.id,
            record_id=record,
            concept=concept,
            said=verdict.said,
            instead=instead,
            model_id=store.models.get(verdict.model or ""),
        )
    except UsageError as error:
        return _finding(verdict, ItemFate.UNREADABLE, str(error))


def _save(
    engine: Engine, reviewer: str, verdicts: list[tuple[ForeignVerdict, NewVerdict]]
) -> list[ItemFinding]:
    try:
        account = _account_of(engine, reviewer)
    except UsageError as error:
        return [_finding(each, ItemFate.UNREADABLE, str(error)) for each, _ in verdicts]
    for start in range(0, len(verdicts), MOST_AT_ONCE):
        with engine.begin() as connection:
            judge(connection, account, [new for _, new in verdicts[start : start + MOST_AT_ONCE]])
    return [_finding(each, ItemFate.IMPORTED, each.said) for each, _ in verdicts]


def _account_of(engine: Engine, reviewer: str) -> int:
    """The number of the reviewer's account, which is added if it is missing.

    Raises:
        UsageError: the name cannot be one.
    """
    name = checked_name(reviewer if len(reviewer) <= LONGEST_NAME else _shortened(reviewer))
    with engine.begin() as connection:
        lock_names(connection)
        account = find_account(connection, name)
        if account is not None:
            return account.number
        return int(connection.execute(_ADD_ENDED, {"name": name}).scalar_one())


def _shortened(reviewer: str) -> str:
    name, _, tool = reviewer.rpartition(" (")
    return f"{name[: LONGEST_NAME - len(tool) - 2]} ({tool}"


def _record_id(text: str) -> str:
    try:
        return parse_record_id(text)
    except InvalidRecordIdError:
        return ""


def _finding(verdict: ForeignVerdict, fate: ItemFate, detail: str = "") -> ItemFinding:
    return ItemFinding(
        item=verdict.item,
        fate=fate,
        detail=detail,
        reviewer=verdict.reviewer,
        record=verdict.record,
        concept=verdict.concept,
    )


def _write_report(path: Path, findings: Iterable[ItemFinding]) -> None:
    with output_stream(str(path)) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(REPORT_HEADER)
        for each in sorted(findings, key=lambda found: found.item):
            cells = (each.reviewer, each.record, each.concept, each.detail)
            writer.writerow((each.item, each.fate, *guard_row(cells)))
