"""What the store knows and no single process does, for Prometheus: how much work there is, how long
ago some was done, who is there to do it, and how much room it takes.

Every worker and desk that serves metrics asks for itself, so that the numbers are there as long as
any of them is. All of them get the same numbers: queries take the `max`, never the `sum`.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text

from common.process.periodic import PeriodicThread
from common.store.tables.jobs import ALIVE_SECONDS
from common.store.tables.outcomes import RECORDS_SETTLED

ASK_SECONDS = 15.0
KNOWN_SECONDS = 60.0  # that an answer counts: an older one is not served

# Each part is a look at some rows, however many records the jobs have: sums that triggers keep, the
# end of an index, or counts of `ledger_load`, which stop at 1,000 chunks of a job.
_ASK = text(f"""
    WITH running AS MATERIALIZED (SELECT id, total, created_at FROM job WHERE state = 'running'),
    counted AS (
        SELECT coalesce(sum({RECORDS_SETTLED}), 0) AS settled, coalesce(sum(put_off), 0) AS put_off
        FROM job_outcomes WHERE job_id IN (SELECT id FROM running)
    )
    SELECT (SELECT count(*) FROM running) AS jobs,
           urgent_fresh + urgent_put_off + bulk_fresh + bulk_put_off AS due,
           urgent_in_work + bulk_in_work AS in_work,
           (SELECT coalesce(sum(total), 0) FROM running) - settled AS waiting,
           put_off,
           (SELECT coalesce(extract(epoch FROM now() - max(coalesce(last.at, created_at))), 0)
            FROM running LEFT JOIN LATERAL (
                SELECT settled_at AS at FROM job_chunk
                WHERE job_id = running.id AND settled_at IS NOT NULL
                ORDER BY settled_at DESC LIMIT 1) AS last ON true) AS since_settled,
           alive, ready, asked, slowed,
           pg_database_size(current_database()) AS database,
           (SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits
            WHERE inhparent = CAST('embedding' AS regclass)) AS embeddings
    FROM counted, ledger_load,
         (SELECT count(*) AS alive, count(*) FILTER (WHERE NOT EXISTS (
                     SELECT FROM jsonb_array_elements(problems) AS problem
                     WHERE problem ->> 'stops' IS DISTINCT FROM 'false')) AS ready
          FROM worker_process WHERE seen_at > now() - make_interval(secs => :alive_seconds)
         ) AS workers,
         (SELECT count(DISTINCT host) AS asked,
                 count(DISTINCT host) FILTER (WHERE pace < 1 OR paused_until > now()) AS slowed
          FROM host_lease WHERE lease_until > now()) AS hosts
""")


@dataclass(frozen=True, kw_only=True)
class GaugeFamily:
    """A metric: its columns of the answer, by the value of its one label, if it has one."""

    name: str
    told: str
    label: str | None = None
    columns: Mapping[str, str]

    def filled(self, answer: Mapping[str, float]) -> GaugeMetricFamily:
        labels = [self.label] if self.label else []
        family = GaugeMetricFamily(self.name, self.told, labels=labels)
        for value, column in self.columns.items():
            family.add_metric([value] if self.label else [], answer[column])
        return family


FAMILIES = (
    GaugeFamily(name="store_jobs_running", told="Jobs that are running", columns={"": "jobs"}),
    GaugeFamily(
        name="store_chunks",
        told="Chunks that could be begun now, of each running job the first 2,000; chunks in work",
        label="state",
        columns={"due": "due", "in_work": "in_work"},
    ),
    GaugeFamily(
        name="store_records",
        told="Records of running jobs without an outcome; those of them that were put off",
        label="state",
        columns={"waiting": "waiting", "put_off": "put_off"},
    ),
    GaugeFamily(
        name="store_seconds_since_settled",
        told="Seconds since a chunk of a running job was settled, or since one was made; 0 if no "
        "job is running",
        columns={"": "since_settled"},
    ),
    GaugeFamily(
        name="store_workers",
        told="Workers that told the store of themselves lately; those of them that can work",
        label="state",
        columns={"alive": "alive", "ready": "ready"},
    ),
    GaugeFamily(
        name="store_hosts",
        told="Image hosts that are asked now; those that are asked more slowly, or not for a while",
        label="state",
        columns={"asked": "asked", "slowed": "slowed"},
    ),
    GaugeFamily(
        name="store_bytes",
        told="Bytes of the database on its disk; those of the embeddings in it",
        label="of",
        columns={"database": "database", "embeddings": "embeddings"},
    ),
)


class StoreGauges(PeriodicThread, Collector):
    """Asks the store every `interval` seconds, and serves the last answer while it counts."""

    def __init__(self, engine: Engine, *, interval: float = ASK_SECONDS) -> None:
        super().__init__("store-gauges", interval=interval, at_once=True)
        self._engine = engine
        self._answer: dict[str, float] = {}
        self._answered_at = 0.0

    def start(self) -> None:
        REGISTRY.register(self)
        super().start()

    def stop(self) -> None:
        super().stop()
        REGISTRY.unregister(self)

    def run_once(self) -> None:
        with self._engine.connect() as connection:
            row = connection.execute(_ASK, {"alive_seconds": ALIVE_SECONDS}).mappings().one()
        self._answer = {name: float(value) for name, value in row.items()}
        self._answered_at = time.monotonic()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        answer = self._answer
        if answer and time.monotonic() - self._answered_at <= KNOWN_SECONDS:
            yield from (family.filled(answer) for family in FAMILIES)
