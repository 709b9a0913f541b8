"""Where teaching stands: data providers with their verdicts, and what refits brought them."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from common.store.refits import RefitStatus, newest_refits

MOST_PROVIDERS = 200
ENOUGH = 10  # labels that verdicts give, for a refit

_JUDGED = text(f"""
    SELECT record.data_provider AS name, count(DISTINCT verdict.record_id) AS records,
           count(DISTINCT verdict.user_id) AS reviewers, max(verdict.judged_at) AS last
    FROM verdict JOIN record ON record.id = verdict.record_id
    WHERE verdict.withdrawn_at IS NULL AND verdict.audit_id IS NULL
      AND record.data_provider IS NOT NULL
    GROUP BY record.data_provider ORDER BY last DESC LIMIT {MOST_PROVIDERS}
""")


@dataclass(frozen=True, kw_only=True)
class JudgedProvider:
    """A data provider whose records were judged."""

    name: str
    records: int
    reviewers: int


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """An accuracy with its interval, and where it stands in a plot of 100 by 60."""

    verdicts: int
    accuracy: float
    low: float
    high: float
    x: float

    @property
    def y(self) -> float:
        """Of the accuracy, from the top."""
        return 60 - 60 * self.accuracy


def judged_providers(connection: Connection) -> list[JudgedProvider]:
    """Data providers with verdicts, the last judged first."""
    return [
        JudgedProvider(name=row.name, records=row.records, reviewers=row.reviewers)
        for row in connection.execute(_JUDGED)
    ]


def refits_of(connection: Connection, data_provider: str) -> list[RefitStatus]:
    """The last refits for a data provider, the newest first."""
    return newest_refits(connection, data_provider)


def curve_of(refit: RefitStatus) -> list[CurvePoint]:
    """The accuracy of a refit over the number of verdicts; none where it has no result."""
    told = (refit.result or {}).get("curve", [])
    most = max((each["verdicts"] for each in told), default=0) or 1
    return [
        CurvePoint(
            verdicts=each["verdicts"],
            accuracy=each["accuracy"],
            low=each["low"],
            high=each["high"],
            x=100 * each["verdicts"] / most,
        )
        for each in told
    ]
