"""The part of the report about a promotion: what the model would write and promise.

Data providers that the folds left out have a separate table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from common.process.pages import data_uri
from trainer.experiment import Experiment
from trainer.models.proposal import Proposal
from trainer.models.prospect import Prospect, prospect_of
from trainer.report.plots import lowest_of, plot_curve, svg
from trainer.scoring.by_provider import ProviderScores, about_new_providers, scores_by_provider
from trainer.scoring.predictions import Predictions, asserted
from trainer.scoring.proof import lower_bound
from trainer.scoring.thresholds import Effect, Outlook

MOST_CURVES = 40
MOST_NAMED = 8  # concepts that the verdict names
MOST_PROVIDERS = 100


@dataclass(frozen=True, kw_only=True)
class PromotedConcept:
    """`at_least` is the lowest precision that fits the test. Only a concept that is off has an
    `outlook`. `curve` is a data URI, empty if there are too many concepts.
    """

    label: str
    effect: Effect
    at_least: float
    outlook: Outlook | None
    curve: str


def promotion_view(
    experiment: Experiment, names: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """The values for the template; None if the folds have no evidence.

    Args:
        names: the label of each category; without one, the category is shown.
    """
    prospect = prospect_of(experiment)
    if prospect is None:
        return None
    named = names or {}
    called = {named.get(each, each): effect for each, effect in prospect.proposal.effects.items()}
    proposal = replace(prospect.proposal, effects=called)
    concepts = [
        replace(each, label=named.get(each.label, each.label))
        for each in promoted_concepts(prospect)
    ]
    most = max(concepts, key=lambda each: each.effect.written)
    providers = left_out_providers(experiment, prospect)
    return {
        "verdict": verdict(proposal),
        "is_ensemble": prospect.is_ensemble,
        "tally": proposal.promise.said,
        "precision": proposal.promise.precision,
        "confidence": proposal.promise.confidence,
        "most": most,
        "right": int(proposal.promise.precision * most.effect.written),
        "promise": [] if proposal.is_silent else proposal.promise.in_words(),
        "rule": proposal.description.rule,
        "abstention": proposal.abstention_in_words(),
        "concepts": concepts,
        "curves": [each for each in concepts if each.curve],
        "providers": dict(list(providers.items())[:MOST_PROVIDERS]),
        "providers_in_all": len(providers),
        "new_providers": about_new_providers(providers) if providers else "",
    }


def verdict(proposal: Proposal) -> str:
    off = [label for label, each in proposal.effects.items() if each.threshold is None]
    on = [label for label in proposal.effects if label not in off]
    promised = f"{proposal.promise.precision:.0%}"
    if not on:
        return (
            "This model is not good enough to write any concept. The data prove a precision of "
            f"{promised} for none of its concepts. More labelled pictures may help."
        )
    tally, sure = proposal.promise.said, f"{proposal.promise.confidence:.0%}"
    words = (
        f"This model is good enough to write {_listed(on)}. At least {promised} of what it writes "
        f"is correct, for each concept separately, at {sure} confidence. It would write a concept "
        f"for {tally.written:,} of {tally.pictures:,} pictures like these."
    )
    if off:
        words += f" It would not write {_listed(off)}: the precision is not proved there."
    return words


def _listed(labels: Sequence[str]) -> str:
    if len(labels) > MOST_NAMED:
        return f"{', '.join(labels[:MOST_NAMED])} and {len(labels) - MOST_NAMED:,} more concepts"
    *others, last = labels
    return f"{', '.join(others)} and {last}" if others else last


def promoted_concepts(prospect: Prospect) -> list[PromotedConcept]:
    """All concepts; the MOST_CURVES concepts with the most pictures have curves."""
    effects, precision = prospect.proposal.effects, prospect.proposal.promise.precision
    by_pictures = sorted(effects, key=lambda label: -effects[label].examples)
    curves = prospect.curves()
    chosen = {label: curves[label] for label in by_pictures[:MOST_CURVES]}
    lowest = lowest_of(chosen.values())
    plots = {
        label: plot_curve(curve, effects[label], precision=precision, lowest=lowest)
        for label, curve in chosen.items()
    }
    return [
        PromotedConcept(
            label=label,
            effect=effect,
            at_least=lower_bound(effect.right, effect.written),
            outlook=prospect.proposal.outlooks.get(label),
            curve=data_uri(svg(plots[label]).encode(), "image/svg+xml") if label in plots else "",
        )
        for label, effect in effects.items()
    ]


def left_out_providers(experiment: Experiment, prospect: Prospect) -> dict[str, ProviderScores]:
    """The scores of each data provider; empty if no fold left a provider out."""
    settings = experiment.settings()
    parts = experiment.left_out_predictions()
    if not parts and settings.group_by != "provider":
        return {}
    provider_of = experiment.provider_of()
    tests = Predictions.joined(parts or [experiment.predictions(n) for n in range(settings.folds)])
    return scores_by_provider(
        [provider_of.get(key, "") for key in tests.keys],
        targets=tests.targets,
        predicted=asserted(tests.probabilities, settings.kind),
        written=prospect.would_write(tests.probabilities) if parts else prospect.written,
    )
