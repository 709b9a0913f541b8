"""The plan of an audit: what samples of different sizes could prove."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, text

from desk.audits.bounds import least_right, lower_bound
from desk.audits.subject import AuditAttempt, AuditSubject, in_sql, next_attempt, thresholds_of

USUAL = 0.9  # the precision that the preselected sample should prove
SPARE = 2  # even with so many wrong rows
PRECISIONS = (0.8, 0.9, 0.95)
SAMPLES = (20, 40, 60, 80, 120, 200, 300, 500)
MOST_DRAWN = 2_000  # people could not judge more rows


@dataclass(frozen=True, kw_only=True)
class PlannedSample:
    """What `drawn` rows can prove. `best` is the precision that they prove if all are right.

    `least_right` has for each precision how many must be right, or None if all are not enough.
    """

    drawn: int
    best: float
    least_right: Mapping[float, int | None]


@dataclass(frozen=True, kw_only=True)
class AuditPlan:
    subject: AuditSubject
    rows: int
    attempt: AuditAttempt

    @property
    def samples(self) -> Iterator[PlannedSample]:
        """Samples of usual sizes, and one of all rows if they are few."""
        sizes = {min(size, self.rows) for size in SAMPLES} - {0}
        return (self.sample(size) for size in sorted(sizes))

    @property
    def usual(self) -> int:
        """The first sample that proves the usual precision with some wrong rows, or the largest.

        A sample of all rows is chosen only if there is no other: it leaves no rows to prove.
        """
        samples = list(self.samples)
        parts = [each for each in samples if each.drawn < self.rows] or samples
        for each in parts:
            least = each.least_right.get(USUAL)
            if least is not None and each.drawn - least >= SPARE:
                return each.drawn
        return parts[-1].drawn if parts else self.rows

    def sample(self, drawn: int) -> PlannedSample:
        error = self.attempt.error
        return PlannedSample(
            drawn=drawn,
            best=lower_bound(drawn, drawn, self.rows, error) / self.rows,
            least_right={each: least_right(drawn, self.rows, each, error) for each in PRECISIONS},
        )


def plan(engine: Engine, subject: AuditSubject) -> AuditPlan:
    """The plan of an audit of this subject. It writes no row.

    Raises:
        UsageError: the model does not exist or is retired, or there were too many audits.
    """
    with engine.connect() as connection:
        thresholds_of(connection, subject.model_id)
        chosen = in_sql(connection, subject)
        rows = connection.execute(text(f"SELECT count(*) {chosen.clause}"), chosen.parameters)
        return AuditPlan(
            subject=subject, rows=rows.scalar_one(), attempt=next_attempt(connection, subject)
        )
