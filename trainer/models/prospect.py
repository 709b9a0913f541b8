"""A prospect: what a finished experiment would write and promise after a usual promotion.

A usual promotion takes all folds if they are heads, else the best fold, at the default terms. A
prospect needs no weights and no pictures, only the folds' predictions for their test parts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.vision.answers.answering import is_written
from trainer.experiment import Experiment
from trainer.models.example_pictures import no_pictures
from trainer.models.judged import JudgedPredictions, judged_by_own_pictures
from trainer.models.promote import Trunk, best_fold, blank_description
from trainer.models.proposal import Proposal, Terms, measured_on, propose_judged
from trainer.scoring.calibration import at_temperature
from trainer.scoring.evidence import has_evidence
from trainer.scoring.predictions import Probabilities, Targets
from trainer.scoring.thresholds import Curve, statements_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Prospect:
    """A proposal without weights and pictures, and the predictions that measured it.

    The predictions are in the order of the folds.
    """

    proposal: Proposal
    judged: JudgedPredictions
    is_ensemble: bool

    @property
    def written(self) -> NDArray[np.bool_]:
        """Which concepts would be written, (n, concepts)."""
        reached = is_written(self.proposal.description, self.judged.probabilities)
        return reached & ~self.judged.unlike[:, np.newaxis]

    def would_write(self, probabilities: Probabilities) -> Targets:
        """Which concepts would be written for other pictures, (n, concepts), if no picture were too
        different.

        Args:
            probabilities: those of a fold, before any temperature.
        """
        has = self.proposal.description
        return is_written(has, at_temperature(probabilities, has.temperature, has.kind))

    def curves(self) -> dict[str, Curve]:
        description, like = self.proposal.description, ~self.judged.unlike
        found = statements_of(
            self.judged.probabilities[like], self.judged.targets[like], description.rule
        )
        return {
            label: each.curve(self.proposal.effects[label].examples)
            for label, each in zip(description.labels, found, strict=True)
        }


def prospect_of(experiment: Experiment) -> Prospect | None:
    """The prospect of a finished experiment; None if a fold of an older version has no evidence."""
    settings, results, terms = experiment.settings(), experiment.results(), Terms()
    if not all(has_evidence(experiment.split(each.fold)) for each in results):
        return None
    is_ensemble = bool(settings.encoder)
    folds = [each.fold for each in (results if is_ensemble else [best_fold(results)])]
    judged = judged_by_own_pictures(experiment, folds, abstains=terms.abstains)
    trunk = Trunk(  # the prospect does not depend on it
        architecture=settings.encoder or settings.architecture,
        preprocessing=settings.preprocessing,
    )
    proposal = propose_judged(
        blank_description(experiment, trunk, folds, terms),
        [],
        judged,
        terms,
        no_pictures(settings.preprocessing),
        known=None,  # a prospect is not promoted
        providers=experiment.providers(folds),
        measured_on=measured_on(settings),
    )
    return Prospect(proposal=proposal, judged=judged, is_ensemble=is_ensemble)
