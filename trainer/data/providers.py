"""Folds that leave data providers out, if the data allows them.

A model is also used for museums that it has not learned from, and is worse there. Such folds show
how much. They are an additional test of heads. For networks they are the default.
"""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from common.process.terminal.counting import counted
from trainer.data.dataset import TrainingData
from trainer.data.prepare import gap_in, tested_together, usable
from trainer.data.split import Fold, Indices, make_folds
from trainer.settings import TrainingSettings

ENOUGH = 3  # providers; with two, each fold would learn from a single one
MOST_NAMELESS = 0.05  # share of records without a provider, which such folds cannot use


@dataclass(frozen=True, kw_only=True, eq=False)
class LeavingOut:
    """Folds of the examples at `rows`, all of which have a provider, and the settings for them.

    If the data does not allow them, `folds` is empty and `problem` says why. `problem` is empty if
    there are fewer than ENOUGH providers.
    """

    settings: TrainingSettings
    rows: Indices
    folds: list[Fold]
    problem: str = ""


def leaving_providers_out(
    settings: TrainingSettings,
    data: TrainingData,
    groups: Indices,
    *,
    given: Container[str] = (),
) -> LeavingOut:
    """Folds for this data that leave providers out.

    Args:
        groups: the group of near-duplicates of each example, (n,).
        given: the names of settings that the user chose; these stay.
    """
    rows = np.flatnonzero([bool(example.provider) for example in data.examples])
    if len(data.providers) < ENOUGH:
        return LeavingOut(settings=settings, rows=rows, folds=[])
    folds = settings.folds if "folds" in given else min(settings.folds, len(data.providers))
    by_provider = settings.changed(group_by="provider", folds=folds)
    kept = usable(data, by_provider)
    if problem := _problem(kept, by_provider):
        return LeavingOut(settings=settings, rows=rows, folds=[], problem=problem)
    made = make_folds(
        kept.targets,
        groups[rows],
        folds=folds,
        seed=by_provider.seed,
        tested_together=tested_together(kept, by_provider),
    )
    if problem := gap_in(kept, made, by_provider):
        return LeavingOut(settings=settings, rows=rows, folds=[], problem=problem)
    return LeavingOut(settings=by_provider, rows=rows, folds=made)


def with_grouping(
    settings: TrainingSettings, data: TrainingData, *, given: Container[str]
) -> tuple[TrainingSettings, str]:
    """The settings of networks with the grouping for this data, and a message for the user.

    Near-duplicates are not known before the pictures are decoded, so each picture is its own group.
    """
    if "group_by" in given or len(data.providers) < ENOUGH:
        return settings, ""
    every_one = np.arange(len(data.examples), dtype=np.int64)
    found = leaving_providers_out(settings, data, every_one, given=given)
    if problem := _waste(data, found) or found.problem:
        return settings, not_left_out(problem)
    return found.settings, (
        f"There are {counted(len(data.providers), 'data provider')}. Each fold leaves some "
        "providers out and is tested on these providers. So the scores are for new "
        "providers. To test on known providers: --group-by picture"
    )


def not_left_out(problem: str) -> str:
    """The message of a training whose folds leave no providers out."""
    return (
        f"The folds do not leave data providers out: {problem}. So this training does not show "
        "how good the model is for providers that it has not learned from."
    )


def _problem(kept: TrainingData, by_provider: TrainingSettings) -> str:
    """Why folds cannot leave providers out; empty if they can."""
    if len(kept.providers) < by_provider.folds:
        return f"{len(kept.providers)} providers are too few for {by_provider.folds} folds"
    pairs = {(label, each.provider) for each in kept.examples for label in each.labels}
    having = Counter(label for label, _ in pairs)
    short = [name for label, name in enumerate(kept.categories) if having[label] < 2]
    if short:
        return f"fewer than two providers have {', '.join(short)}"
    everywhere = [kept.categories[label] for label in np.flatnonzero(kept.targets.all(axis=0))]
    return f"all records with a provider have {', '.join(everywhere)}" if everywhere else ""


def _waste(data: TrainingData, found: LeavingOut) -> str:
    """Why a network should not be trained by such folds, which would waste data."""
    records = len(data.examples)
    nameless = records - len(found.rows)
    if nameless > MOST_NAMELESS * records:
        return (
            f"{nameless:,} of {counted(records, 'record')} have no provider and could not be used"
        )
    learned = [len(fold.training) + len(fold.validation) for fold in found.folds]
    if learned and 2 * min(learned) < records:
        return (
            f"a fold would have {min(learned):,} of {records:,} records to learn from, fewer than "
            "half"
        )
    return ""
