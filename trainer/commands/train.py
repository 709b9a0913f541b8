"""`trainer train`."""

from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.errors import UsageError
from common.process.terminal.console import SafeConsole
from trainer.commands.options import Labelled, SavingDir, experiments_in, with_training_settings
from trainer.commands.printing import print_line, print_listing, print_next
from trainer.commands.recipes import RecipeName, settings_for
from trainer.settings import TrainingSettings

if TYPE_CHECKING:
    from trainer.data.dataset import TrainingData
    from trainer.experiment import Experiment
    from trainer.running.cross_validation import Way
    from trainer.scoring.metrics import Summary

    Validation = Callable[[TrainingData, TrainingSettings, Experiment, SafeConsole], Summary]


Recipe = Annotated[
    RecipeName | None,
    typer.Option(
        "--recipe",
        help="Defaults that go together; head fits a head on an encoder. Default: scratch; "
        "with --weights fine-tune, with --encoder head.",
    ),
]
WithVerdicts = Annotated[
    bool,
    typer.Option(
        "--verdicts",
        help="Heads also learn from the desk's verdicts: a judged record counts ten times, by its "
        "verdict.",
    ),
]
MOST_PROVIDERS = 20  # on the terminal; the report has more


@with_training_settings
def train(
    *,
    dataset: Labelled = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Or: folder with one sub-folder of pictures per category; no store."),
    ] = None,
    experiment_name: Annotated[
        str, typer.Option(help="Name of the run; the same command continues a stopped run.")
    ] = "model_training",
    saving_dir: SavingDir = None,
    recipe_name: Recipe = None,
    devices: Annotated[
        str | None,
        typer.Option(help="Train folds side by side, one per device: cuda:0,cuda:1 or cpu,cpu."),
    ] = None,
    verdicts: WithVerdicts = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Have the folds trained by `trainer worker` processes.")
    ] = False,
    vocab_json: Annotated[
        Path, typer.Option(help="Labels and their concepts, for --data-dir.")
    ] = Path("vocabulary.json"),
    given: dict[str, Any],
) -> None:
    """Cross-validate a classifier: each picture is tested by a fold that was not trained on it."""
    settings = settings_for(given, recipe_name)
    if verdicts and (dataset is None or not settings.encoder):
        raise UsageError("--verdicts is for heads on a dataset: --dataset NAME --recipe head.")
    if (dataset is None) == (data_dir is None):
        raise UsageError("Give either --dataset NAME or --data-dir FOLDER.")

    from common.europeana.vocabulary import load_vocabulary
    from trainer.data.dataset import folder_data
    from trainer.data.embedded import pinned
    from trainer.experiment import Experiment

    experiment = Experiment(experiments_in(saving_dir), experiment_name)
    validate = _validation(settings, devices, queue=queue)
    settings = pinned(settings)
    if dataset is not None:
        data = _data_of_store(dataset, settings, with_verdicts=verdicts)
        summary = _train_from_store(data, settings, experiment, validate, given=given.keys())
    elif data_dir is not None:
        data = folder_data(data_dir, load_vocabulary(vocab_json))
        summary = validate(data, settings, experiment, SafeConsole())
    _print_end(summary, experiment)


def _validation(settings: TrainingSettings, devices: str | None, *, queue: bool) -> "Validation":
    """The cross-validation of networks or of heads.

    Raises:
        UsageError: as `_way`, or heads are to be fitted in another way than in sequence.
    """
    from trainer.running.cross_validation import cross_validate, cross_validate_heads

    if not settings.encoder:
        return partial(cross_validate, way=_way(devices, queue=queue))
    if devices is not None or queue:
        raise UsageError(
            "Heads take seconds each, so the recipe head does all folds in this process: leave out "
            "--devices and --queue."
        )
    return cross_validate_heads


def _way(devices: str | None, *, queue: bool) -> "Way":
    """How the folds are trained.

    Raises:
        UsageError: two ways are asked for, or a device does not exist.
    """
    if devices is not None and queue:
        raise UsageError("Give either --devices or --queue.")
    if devices is not None:
        from trainer.running.on_devices import parse_devices, run_side_by_side

        return partial(run_side_by_side, devices=parse_devices(devices))
    if queue:
        from trainer.running.on_machines import FoldQueue, create_app, run_by_queue

        return partial(run_by_queue, queue=FoldQueue(create_app()))
    from trainer.running.cross_validation import run_in_sequence

    return run_in_sequence


def _data_of_store(name: str, settings: TrainingSettings, *, with_verdicts: bool) -> "TrainingData":
    from common.process.settings import ImageSettings
    from common.store.session import open_store
    from trainer.data.store_dataset import dataset_data

    engine = open_store()
    image_dir = ImageSettings.read().image_dir
    data = dataset_data(engine, name, image_dir, settings.kind, with_verdicts=with_verdicts)
    engine.dispose()
    if with_verdicts:
        judged = sum(example.is_judged for example in data.examples)
        SafeConsole().print(
            f"{judged:,} of {len(data.examples):,} examples are labelled by verdicts."
        )
    return data


def _train_from_store(
    data: "TrainingData",
    settings: TrainingSettings,
    experiment: "Experiment",
    validate: "Validation",
    *,
    given: Container[str],
) -> "Summary":
    from common.store.session import open_store
    from trainer.models.runs import record_run

    settings, grouping = _with_grouping(settings, data, experiment, given)
    console = SafeConsole()
    if grouping:
        console.print(grouping, highlight=False, soft_wrap=True)
    summary = validate(data, settings, experiment, console)
    engine = open_store()
    record_run(engine, experiment, summary, fingerprint=data.fingerprint)
    engine.dispose()
    return summary


def _with_grouping(
    settings: TrainingSettings,
    data: "TrainingData",
    experiment: "Experiment",
    given: Container[str],
) -> tuple[TrainingSettings, str]:
    """The settings with their grouping, and what to say of it, if anything.

    A begun experiment keeps its own, whatever the default is by now: the same command goes on.
    """
    from trainer.data.providers import with_grouping

    if not (experiment.folder / "conf.json").exists():
        return with_grouping(settings, data, given=given)
    begun = experiment.settings()
    kept = {name: getattr(begun, name) for name in ("group_by", "folds") if name not in given}
    return settings.changed(**kept), ""


def _print_end(summary: "Summary", experiment: "Experiment") -> None:
    from trainer.report.page import category_listing, overall_listing

    print_listing("Categories", category_listing(summary))
    title = f"{summary.folds} folds, {summary.examples:,} test predictions"
    print_listing(title, overall_listing(summary))
    _print_providers(experiment)
    print_line(f"Report: {experiment.folder / 'report.html'}")
    print_line(f"Tables, plots and heatmaps: {experiment.folder}")
    print_next(f"trainer promote {experiment.name}")


def _print_providers(experiment: "Experiment") -> None:
    """Print how the folds do on the data providers that they left out, if they did."""
    from trainer.models.prospect import prospect_of
    from trainer.report.promotion import left_out_providers
    from trainer.scoring.by_provider import about_new_providers, provider_listing

    prospect = prospect_of(experiment)
    if prospect and (scores := left_out_providers(experiment, prospect)):
        title = "Left-out providers, with 95% intervals"
        if len(scores) > MOST_PROVIDERS:
            title += f"; the {MOST_PROVIDERS} of {len(scores):,} with most pictures"
        print_listing(title, provider_listing(scores, most=MOST_PROVIDERS))
        print_line(about_new_providers(scores))
