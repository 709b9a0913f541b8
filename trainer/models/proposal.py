"""A proposal: a model with thresholds that its predictions for new pictures prove.

It is shown before the promotion. So you see in time if the model would write no concept.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from common.errors import UsageError
from common.vision.answers.answering import is_written
from common.vision.answers.familiar_pictures import FamiliarPictures
from common.vision.answers.likeness import Likeness
from common.vision.answers.promise import MeasuredOn, Promise
from common.vision.answers.rule import FLOOR
from common.vision.answers.tally import Tally
from common.vision.bundle import Description
from common.vision.weights import StateDict
from trainer.models.judged import JudgedPredictions
from trainer.scoring.proof import CONFIDENCE
from trainer.scoring.thresholds import Effect, Outlook, choose_thresholds, effects, statements_of
from trainer.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The demands on a model: the precision of each concept, the floor, and whether it abstains.

    Without a floor, the usual one of its kind applies.

    Raises:
        UsageError: a number is out of range.
    """

    precision: float = 0.9
    floor: float | None = None
    abstains: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.precision < 1:
            raise UsageError("--precision must be more than 0, and less than 1.")
        if not 0 <= (self.floor or 0) < 1:
            raise UsageError("--floor must be 0 or more, and less than 1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposal:
    """A model as it would be promoted.

    `known` are the pictures that it was trained on or measured by; None if they are unknown.
    `effects` are the effects of its thresholds on the pictures that measured it, by label.
    `outlooks` are the possible promises for the concepts that are off.
    """

    description: Description
    members: list[StateDict]
    likeness: Likeness | None
    self_test: torch.Tensor
    known: FamiliarPictures | None
    effects: dict[str, Effect]
    outlooks: dict[str, Outlook]

    @property
    def is_silent(self) -> bool:
        return not any(each is not None for each in self.description.thresholds.values())

    @property
    def promise(self) -> Promise:
        assert self.description.promise is not None  # `propose_judged` has made it
        return self.description.promise

    def written_when_unlikely(self) -> list[str]:
        has = self.description
        return [
            f"{label} ({threshold:.3f})"
            for label, uri in zip(has.labels, has.concept_uris, strict=True)
            if (threshold := has.thresholds[uri]) is not None and threshold < FLOOR
        ]

    def abstention_in_words(self) -> str:
        if self.likeness is None:
            return (
                "The model never abstains. It also writes concepts for pictures that are too "
                "different from the training pictures."
            )
        return (
            "A picture that is too different from the training pictures gets no concept. In "
            f"the test, these were {self.promise.said.unlike:,} of "
            f"{self.promise.said.pictures:,} pictures."
        )


def propose_judged(
    blank: Description,
    members: list[StateDict],
    judged: JudgedPredictions,
    terms: Terms,
    self_test: torch.Tensor,
    *,
    known: FamiliarPictures | None,
    providers: dict[str, int],
    measured_on: MeasuredOn,
) -> Proposal:
    uris, like = blank.concept_uris, ~judged.unlike
    probabilities, targets = judged.probabilities[like], judged.targets[like]
    thresholds = choose_thresholds(
        probabilities, targets, uris, rule=blank.rule, precision=terms.precision
    )
    decided = replace(blank, temperature=judged.temperature, thresholds=thresholds)
    written = is_written(decided, judged.probabilities) & like[:, np.newaxis]
    promise = Promise(
        precision=terms.precision,
        confidence=CONFIDENCE,
        providers=providers,
        measured_on=measured_on,
        said=Tally.of(judged.probabilities, written=written, unlike=judged.unlike),
    )
    statements = statements_of(probabilities, targets, blank.rule)
    by_label = zip(blank.labels, uris, statements, strict=True)
    return Proposal(
        description=replace(decided, promise=promise),
        members=members,
        likeness=judged.likeness,
        self_test=self_test,
        known=known,
        effects=effects(decided, written, judged.targets),
        outlooks={
            label: each.outlook(terms.precision)
            for label, uri, each in by_label
            if thresholds[uri] is None
        },
    )


def measured_on(settings: TrainingSettings) -> MeasuredOn:
    return "left-out providers" if settings.group_by == "provider" else "own pictures"
