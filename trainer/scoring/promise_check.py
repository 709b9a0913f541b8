"""A promise check: compare the promise for each concept with labelled pictures.

A promise is broken if very few of the written concepts are right: so few that a kept promise gives
such a result in at most 1 % of cases (the exact binomial test, one-sided).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from common.vision.answers.promise import Promise
from common.vision.answers.provider_names import provider_name
from trainer.scoring.predictions import Share
from trainer.scoring.proof import Interval, interval, upper_bound
from trainer.scoring.thresholds import Effect

BROKEN_AT = 0.01
State = Literal["holds", "broken", "too few to say", "off"]


@dataclass(frozen=True, kw_only=True)
class CheckedConcept:
    """The promise for a concept, and the result; `interval` is at 95 % confidence.

    The state is "too few to say" if the promise could not be broken even with every written concept
    wrong, for example if none is written. A concept that is off has no promise.
    """

    promised: float | None
    written: int
    right: int
    precision: Share
    interval: Interval
    found: Share
    promise: State

    @classmethod
    def of(cls, effect: Effect, promised: float) -> Self:
        is_off = effect.threshold is None
        return cls(
            promised=None if is_off else promised,
            written=effect.written,
            right=effect.right,
            precision=effect.precision,
            interval=interval(effect.right, effect.written),
            found=effect.found,
            promise="off" if is_off else _state(effect, promised),
        )


def _state(effect: Effect, promised: float) -> State:
    if upper_bound(0, effect.written, BROKEN_AT) >= promised:
        return "too few to say"
    if upper_bound(effect.right, effect.written, BROKEN_AT) < promised:
        return "broken"
    return "holds"


@dataclass(frozen=True, kw_only=True)
class CheckedPromise:
    """The promise in the output of `trainer evaluate --json`; `broken` are labels of concepts.

    Pictures of `providers_without_promise` count too, although the promise does not hold for them.
    """

    precision: float
    confidence: float
    concepts: dict[str, CheckedConcept]
    broken: list[str]
    providers_without_promise: dict[str, int]

    @classmethod
    def of(
        cls, promise: Promise, effects: Mapping[str, Effect], providers: Mapping[str, int]
    ) -> Self:
        """The promise against the effects by label; `providers` are those of the pictures."""
        concepts = {
            label: CheckedConcept.of(effect, promise.precision) for label, effect in effects.items()
        }
        known = set(map(provider_name, promise.providers))  # older promises have raw names
        return cls(
            precision=promise.precision,
            confidence=promise.confidence,
            concepts=concepts,
            broken=[label for label, each in concepts.items() if each.promise == "broken"],
            providers_without_promise={
                each: providers[each] for each in providers if known and each not in known
            },
        )
