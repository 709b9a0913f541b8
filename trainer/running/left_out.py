"""Heads tested on data providers that they did not learn from.

A training of heads has folds by picture, from which a model is promoted, and also these. They show
how good heads are for a new museum; they give no promise. They are not promoted, so each saves only
its test predictions, in its own folder.
"""

from dataclasses import replace

from common.process.terminal.console import SafeConsole
from common.process.terminal.counting import counted
from common.process.terminal.progress import progress
from trainer.data.prepare import Assigned, usable
from trainer.data.providers import leaving_providers_out, not_left_out
from trainer.experiment import TEST
from trainer.running.head_fold import HeadAssignment, fit_fold, predict_test_part
from trainer.scoring.predictions import write_predictions


def run_left_out(assignment: HeadAssignment, console: SafeConsole) -> None:
    """Test heads on left-out providers, in folds that an earlier run has not finished.

    If the data does not allow such folds, the console gets the reason.
    """
    left_out = _leaving_providers_out(assignment, console)
    if left_out is None:
        return
    data, experiment, folds = left_out.ready.data, left_out.experiment, left_out.assigned.folds
    with progress("Folds that leave providers out", len(folds)) as report:
        for fold in folds:
            path = experiment.left_out_split(fold.number) / TEST
            if not path.exists():
                found = predict_test_part(left_out, fold, fit_fold(left_out, fold))
                write_predictions(path, found, data.categories, data.kind)
            report.advance()


def _leaving_providers_out(
    assignment: HeadAssignment, console: SafeConsole
) -> HeadAssignment | None:
    data, groups = assignment.ready.data, assignment.assigned.groups
    found = leaving_providers_out(assignment.settings, data, groups)
    if not found.folds:
        if found.problem:
            console.print(not_left_out(found.problem), highlight=False, soft_wrap=True)
        return None
    console.print(
        f"There are {counted(len(data.providers), 'data provider')}. {len(found.folds)} more "
        "folds leave some providers out and test the heads on these providers. So the scores "
        "show how good heads are for new providers.",
        highlight=False,
        soft_wrap=True,
    )
    ready = replace(
        assignment.ready,
        data=usable(data, found.settings),
        embeddings=assignment.ready.embeddings[found.rows],
    )
    assigned = Assigned(folds=found.folds, near_duplicates=(), groups=groups[found.rows])
    points = assignment.points.rows(found.rows)
    return replace(
        assignment, ready=ready, points=points, assigned=assigned, settings=found.settings
    )
