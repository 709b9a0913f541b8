"""A promise check: what was promised of each concept, beside what labelled pictures show.

A promise is broken if so few of the written concepts are right that it would happen in one of a
hundred cases at most if the promise were kept (the exact binomial test, one-sided).
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
    """What was promised of a concept, and found; `interval` is at 95 % confidence.

    It is "too few to say" if the promise could not be broken even if all that is written were
    wrong, as if nothing is. Of a concept that is off nothing is promised.
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
    """What `trainer evaluate --json` tells of the promise; `broken` are labels of concepts.

    Pictures of `providers_without_promise` are counted too, though nothing is promised for them.
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
        known = set(map(provider_name, promise.providers))  # an older one has them as they came
        return cls(
            precision=promise.precision,
            confidence=promise.confidence,
            concepts=concepts,
            broken=[label for label, each in concepts.items() if each.promise == "broken"],
            providers_without_promise={
                each: providers[each] for each in providers if known and each not in known
            },
        )
