"""The progress of teaching: the accuracy of refits for a data provider."""

from dataclasses import dataclass

from common.store.teaching.refits import RefitStatus

ENOUGH = 10  # labels from verdicts that a refit needs


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """An accuracy with its interval, and its place in a plot of 100 by 60."""

    verdicts: int
    accuracy: float
    low: float
    high: float
    x: float

    @property
    def y(self) -> float:
        """The place of the accuracy, measured from the top."""
        return 60 - 60 * self.accuracy


def curve_of(refit: RefitStatus) -> list[CurvePoint]:
    """The accuracy of a refit by the number of verdicts; empty if it has no result."""
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


def concepts_of(refit: RefitStatus) -> set[str]:
    result = refit.result or {}
    named = {each["concept"] for each in result.get("by_concept", [])}
    changed = result.get("changed", [])
    return named | {each[when] for each in changed for when in ("before", "after")}
