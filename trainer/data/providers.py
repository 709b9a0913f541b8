"""Data providers: whether folds leave them out, if nobody says.

A model is used on museums that it has not learned from, and does worse there. Folds that leave
providers out show how much. So that is the default where the data allows it.
"""

from collections import Counter
from collections.abc import Container

import numpy as np

from common.process.terminal.counting import counted
from trainer.data.dataset import TrainingData
from trainer.data.prepare import gap_in, tested_together, usable
from trainer.data.split import make_folds
from trainer.settings import TrainingSettings

ENOUGH = 3  # providers; with two, each fold would learn from a single one
MOST_NAMELESS = 0.05  # share of records without a provider, which such folds cannot use


def with_grouping(
    settings: TrainingSettings, data: TrainingData, *, given: Container[str]
) -> tuple[TrainingSettings, str]:
    """The settings with the grouping for this data, and what to say of it, if anything.

    Args:
        given: the names of settings that were chosen; these stay.
    """
    providers = data.providers
    if "group_by" in given or len(providers) < ENOUGH:
        return settings, ""
    folds = settings.folds if "folds" in given else min(settings.folds, len(providers))
    by_provider = settings.changed(group_by="provider", folds=folds)
    if problem := _problem(data, by_provider):
        return settings, (
            f"The folds do not leave data providers out: {problem}. So this training does not say "
            "how the model does on providers that it has not learned from."
        )
    return by_provider, (
        f"There are {counted(len(providers), 'data provider')}. Each fold leaves some of them out "
        "and is tested on these, so the scores are those of new providers. To test on known ones: "
        "--group-by picture"
    )


def _problem(data: TrainingData, by_provider: TrainingSettings) -> str:
    """Why folds cannot leave providers out, or would waste the data; empty if all is well."""
    nameless = sum(not example.provider for example in data.examples)
    if nameless > MOST_NAMELESS * len(data.examples):
        return (
            f"{nameless:,} of {counted(len(data.examples), 'record')} name none and would be lost"
        )
    if len(data.providers) < by_provider.folds:
        return f"{len(data.providers)} are too few for {by_provider.folds} folds"
    pairs = {(label, e.provider) for e in data.examples if e.provider for label in e.labels}
    having = Counter(label for label, _ in pairs)
    short = [name for label, name in enumerate(data.categories) if having[label] < 2]
    if short:
        return f"fewer than two providers have {', '.join(short)}"
    return _problem_of_folds(data, by_provider)


def _problem_of_folds(data: TrainingData, by_provider: TrainingSettings) -> str:
    """As `_problem`, by trying the folds.

    Near-duplicates are not known before the pictures are decoded, so each picture counts.
    """
    kept = usable(data, by_provider)
    targets = kept.targets
    everywhere = [data.categories[label] for label in np.flatnonzero(targets.all(axis=0))]
    if everywhere:
        return f"every record that has one has {', '.join(everywhere)}"
    folds = make_folds(
        targets,
        np.arange(len(kept.examples)),
        folds=by_provider.folds,
        seed=by_provider.seed,
        tested_together=tested_together(kept, by_provider),
    )
    if gap := gap_in(kept, folds, by_provider):
        return gap
    least = min(len(fold.training) + len(fold.validation) for fold in folds)
    if 2 * least < len(data.examples):
        return (
            f"a fold would have {least:,} of {len(data.examples):,} records to learn from, fewer "
            "than half"
        )
    return ""
