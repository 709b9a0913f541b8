"""The promise: which share of a model's written concepts is correct, and for whose records."""

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
    """Of the pictures with a written concept, at least `precision` show it, at `confidence`.

    This holds for each concept separately, and for records of `providers` (with their numbers of
    pictures; empty if unknown). `said` is the tally of the predictions for the test pictures:

    - "own pictures": of providers that the model learned from. Each was tested with a model of the
      same kind that had not learned from the picture.
    - "left-out providers": the same, but that model had not learned from the provider either.
    - "other pictures": labelled for this test. The promise is then for their providers.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    precision: _Share
    confidence: _Share
    providers: Annotated[dict[ProviderName, Count], Field(max_length=MOST_PROVIDERS_PROMISED)]
    measured_on: MeasuredOn
    said: Tally

    def in_words(self) -> list[str]:
        """Two sentences or more in two lines: which share is correct, and for whom."""
        promised = (
            f"At least {percent(self.precision)} of the pictures that get a concept really show "
            f"it, at {percent(self.confidence)} confidence, for each concept separately."
        )
        is_by_others = self.measured_on == "other pictures"
        measured = "in the test" if is_by_others else "in the training data"
        if not self.providers:
            return [promised, f"This holds for pictures like those {measured}."]
        largest = sorted(self.providers.items(), key=lambda each: (-each[1], each[0]))
        named = [f"{provider} ({pictures:,})" for provider, pictures in largest[:SHOWN]]
        if len(largest) > len(named):
            named.append(f"and {len(largest) - len(named):,} more")
        cautious = ""
        if self.measured_on == "left-out providers":
            cautious = " Each was left out once during testing, so this is a cautious estimate."
        return [
            promised,
            f"This holds for the providers {measured}: {', '.join(named)}.{cautious} It does not "
            "hold for other providers. To get a guarantee for them, run an audit.",
        ]


def percent(share: float) -> str:
    """Not rounded: rounding up would promise more."""
    return f"{100 * share:.10g}%"
