"""The promise: how often what a model writes is right, and for whose records."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from common.vision.answers.provider_names import MOST, ProviderName
from common.vision.answers.tally import Count, Tally

SHOWN = 10  # data providers
_Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is promised of a model, for whom, and what it said when that was measured.

    Of the pictures for which a concept is written, at least the share `precision` shows it, at
    `confidence`, for each concept by itself. This is promised for records of the data providers
    that the model learned from: `providers` with their pictures, none where nobody knows them.
    `is_from_strangers` says that each picture was judged by a model that had learned nothing from
    its provider. `said` is the tally of these pictures.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    precision: _Share
    confidence: _Share
    providers: Annotated[dict[ProviderName, Count], Field(max_length=MOST)]
    is_from_strangers: bool
    said: Tally

    def in_words(self) -> list[str]:
        """The promise for a person, in lines."""
        promised = (
            f"Of the pictures for which a concept is written, at least {self.precision:.0%} show "
            f"it, at {self.confidence:.0%} confidence, for each concept by itself."
        )
        if not self.providers:
            return [promised, "Promised for: pictures like those that the model learned from."]
        largest = sorted(self.providers.items(), key=lambda each: (-each[1], each[0]))
        named = [f"{provider} ({pictures:,})" for provider, pictures in largest[:SHOWN]]
        if len(largest) > len(named):
            named.append(f"and {len(largest) - len(named):,} more")
        lines = [
            promised,
            f"Promised for the providers that the model learned from: {', '.join(named)}. For "
            "others nothing is promised; the way to a promise for them is an audit.",
        ]
        if self.is_from_strangers:
            lines.append(
                "It was measured with each of them left out in turn, so it is careful: with "
                "--group-by picture, a training measures what it does for these providers."
            )
        return lines
