"""A promise check: what was promised of each concept, beside what labelled pictures show.

A promise is broken if so few of the written concepts are right that it would happen in one of a
hundred cases at most if the promise were kept (the exact binomial test, one-sided).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from common.process.terminal.counting import counted
from common.process.terminal.listing import Listing
from common.vision.answers.promise import Promise
from common.vision.answers.provider_names import provider_name
from trainer.scoring.predictions import Share
from trainer.scoring.proof import Interval, interval, upper_bound
from trainer.scoring.thresholds import Effect

BROKEN_AT = 0.01
SHOWN = 10  # data providers
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
    def of(cls, effect: Effect, promised: float) -> "CheckedConcept":
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
    """What `trainer evaluate --json` tells of the promise; `broken` are labels of concepts."""

    precision: float
    confidence: float
    concepts: dict[str, CheckedConcept]
    broken: list[str]
    providers_without_promise: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PromiseCheck:
    """The concepts by label; `strangers` are data providers that the promise is not for,
    with their pictures. These pictures are counted, though nothing is promised for them."""

    promise: Promise
    concepts: dict[str, CheckedConcept]
    strangers: dict[str, int]

    @classmethod
    def of(
        cls, promise: Promise, effects: Mapping[str, Effect], providers: Mapping[str, int]
    ) -> "PromiseCheck":
        checked = {
            label: CheckedConcept.of(effect, promise.precision) for label, effect in effects.items()
        }
        known = set(map(provider_name, promise.providers))  # an older one has them as they came
        strangers = {each: providers[each] for each in providers if known and each not in known}
        return cls(promise=promise, concepts=checked, strangers=strangers)

    @property
    def broken(self) -> list[str]:
        return self._with("broken")

    def summary(self) -> "CheckedPromise":
        return CheckedPromise(
            precision=self.promise.precision,
            confidence=self.promise.confidence,
            concepts=self.concepts,
            broken=self.broken,
            providers_without_promise=self.strangers,
        )

    def about_strangers(self) -> str:
        if not self.strangers:
            return ""
        largest = sorted(self.strangers.items(), key=lambda each: -each[1])
        named = [f"{provider} ({pictures:,})" for provider, pictures in largest[:SHOWN]]
        if len(largest) > SHOWN:
            named.append(f"and {len(largest) - SHOWN:,} more")
        return (
            f"{sum(self.strangers.values()):,} pictures are of providers outside the promise: "
            f"{', '.join(named)}. They count here too."
        )

    def ending(self) -> str:
        promised = sum(each.promise != "off" for each in self.concepts.values())
        if not promised:
            return "Every concept is off, so nothing is promised."
        broken = [self._named(label) for label in self.broken]
        if broken:
            few = f"{len(broken)} of {promised} concepts: {', '.join(broken)}"
            return f"The promise is broken for {few}."
        holds, few_to_say = len(self._with("holds")), len(self._with("too few to say"))
        rest = ""
        if few_to_say:
            rest = f"; {counted(few_to_say, 'concept')} cannot be judged: too little is written"
        return f"The promise holds for {holds} of {promised} concepts{rest}."

    def _with(self, state: State) -> list[str]:
        return [label for label, each in self.concepts.items() if each.promise == state]

    def _named(self, label: str) -> str:
        each = self.concepts[label]
        return f"{label} ({each.precision:.2f} of {each.written:,})"

    def listing(self) -> Listing:
        numbers = ("promised", "right", "precision", "found")
        listing = Listing("category", *numbers, "promise", numbers=numbers, texts=["category"])
        for label, each in self.concepts.items():
            if each.promised is None:
                listing.add(label, "", "", "", "", "off", style="yellow")
                continue
            style = "red" if each.promise == "broken" else ""
            listing.add(label, f"{each.promised:g}", *_numbers(each), each.promise, style=style)
        return listing


def _numbers(each: CheckedConcept) -> tuple[str, str, str]:
    found = "–" if math.isnan(each.found) else f"{each.found:.2f}"
    if not each.written:
        return "0", "–", found
    precision = f"{each.precision:.2f} ({each.interval})"
    return f"{each.right:,} of {each.written:,}", precision, found
