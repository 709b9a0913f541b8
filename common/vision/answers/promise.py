"""The promise: how often what a model writes is right, and for whose records."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from common.vision.answers.provider_names import MOST_PROVIDERS_PROMISED, ProviderName
from common.vision.answers.tally import Count, Tally

MeasuredOn = Literal["own pictures", "left-out providers", "other pictures"]

SHOWN = 10  # data providers
_Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is promised of a model, for whom, and what it said when that was measured.

    Of the pictures for which a concept is written, at least the share `precision` shows it, at
    `confidence`, for each concept by itself. This is promised for records of `providers`, with
    their pictures; none if they are unknown. `said` is the tally of the pictures that it was
    measured on:

    - "own pictures": of providers that the model learned from, each judged by a model of the same
      kind that had not seen it;
    - "left-out providers": the same, but that model had learned nothing from its provider;
    - "other pictures": labelled for this, whatever the model learned from. The promise is then for
      their providers.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    precision: _Share
    confidence: _Share
    providers: Annotated[dict[ProviderName, Count], Field(max_length=MOST_PROVIDERS_PROMISED)]
    measured_on: MeasuredOn
    said: Tally

    def in_words(self) -> list[str]:
        """The promise for a person, in two lines: how often, and for whom."""
        promised = (
            f"Of the pictures for which a concept is written, at least {percent(self.precision)} "
            f"show it, at {percent(self.confidence)} confidence, for each concept by itself."
        )
        is_by_others = self.measured_on == "other pictures"
        measured = "it was measured on" if is_by_others else "the model learned from"
        if not self.providers:
            return [promised, f"This holds for pictures like those that {measured}."]
        largest = sorted(self.providers.items(), key=lambda each: (-each[1], each[0]))
        named = [f"{provider} ({pictures:,})" for provider, pictures in largest[:SHOWN]]
        if len(largest) > len(named):
            named.append(f"and {len(largest) - len(named):,} more")
        cautious = ""
        if self.measured_on == "left-out providers":
            cautious = " Each was left out once during testing, so this is a cautious estimate."
        return [
            promised,
            f"This holds for the providers that {measured}: {', '.join(named)}.{cautious} "
            "For other providers nothing is promised. To get a guarantee for them, run an audit.",
        ]


def percent(share: float) -> str:
    """A share as it was promised: rounding up would promise more."""
    return f"{100 * share:.10g}%"
