"""`trainer train`."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.errors import UsageError
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.next_step import next_step
from common.process.terminal.shared_options import Languages
from common.vocabulary.languages import checked_languages
from trainer.commands.options import (
    DataDir,
    Labelled,
    SavingDir,
    VocabularyFile,
    experiments_in,
    with_training_settings,
)
from trainer.commands.printing import (
    category_listing,
    overall_listing,
    print_line,
    print_listing,
    provider_listing,
)
from trainer.commands.recipes import RecipeName, settings_for
from trainer.scoring.by_provider import ProviderScores, about_new_providers
from trainer.scoring.metrics import Summary
from trainer.settings import TrainingSettings

if TYPE_CHECKING:
    from trainer.data.dataset import TrainingData
    from trainer.experiment import Experiment
    from trainer.running.cross_validation import Way

EXPERIMENT, HOW = "The experiment", "How it is trained"
Recipe = Annotated[
    RecipeName | None,
    typer.Option(
        "--recipe",
        help="Defaults that belong together. scratch: train a new network. fine-tune: train a "
        "network further from its weights. head: train heads on an encoder. Default: "
        "scratch. If you give --weights, the default is fine-tune. If you give --encoder, "
        "it is head.",
        rich_help_panel=HOW,
    ),
]
WithVerdicts = Annotated[
    bool,
    typer.Option(
        "--verdicts",
        help="Heads also learn from the verdicts of the desk. A record with a verdict counts ten "
        "times, with the concept of the verdict.",
        rich_help_panel=HOW,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICES",
        help="Train several folds at the same time, one fold per device: cuda:0,cuda:1 or cpu,cpu.",
        rich_help_panel=HOW,
    ),
]
Queue = Annotated[
    bool,
    typer.Option(
        "--queue",
        help="Let `trainer worker` processes train the folds.",
        rich_help_panel=HOW,
    ),
]
ExperimentName = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Name of the experiment and of its folder.", rich_help_panel=EXPERIMENT
    ),
]
MOST_PROVIDERS = 20  # on the terminal; the report has more


@dataclass(frozen=True, kw_only=True)
class FinishedTraining:
    """What `trainer train --json` prints: where the files are, and the scores of all folds.

    `left_out_providers` has the scores for data providers that a fold had not learned from.
    """

    experiment: str
    folder: Path
    report: Path
    summary: Summary
    left_out_providers: dict[str, ProviderScores]


@prints(FinishedTraining)
@with_training_settings
def train(
    *,
    dataset: Labelled = None,
    data_dir: DataDir = None,
    vocab_json: VocabularyFile = Path("vocabulary.json"),
    experiment_name: ExperimentName = "model_training",
    saving_dir: SavingDir = None,
    recipe_name: Recipe = None,
    devices: Devices = None,
    queue: Queue = False,
    verdicts: WithVerdicts = False,
    lang: Languages = None,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Cross-validate a classifier: each picture is tested in a fold that was not trained on it.

    To continue a stopped training, run the same command. If the training is complete, the command
    writes the report again, for example in another language (--lang).

    Examples: trainer train --dataset dataset_3000 · trainer train --dataset dataset_3000 --encoder
    lite --experiment-name heads
    """
    settings = settings_for(given, recipe_name)
    wanted = [] if lang is None else checked_languages(lang)
    if verdicts and (dataset is None or not settings.encoder):
        raise UsageError("--verdicts is for heads on a dataset: --dataset NAME --recipe head.")
    if (dataset is None) == (data_dir is None):
        raise UsageError("Give either --dataset NAME or --data-dir FOLDER.")

    from common.vocabulary.reading import load_vocabulary
    from trainer.data.dataset import folder_data
    from trainer.data.embedded import pinned
    from trainer.experiment import Experiment

    experiment = Experiment(experiments_in(saving_dir), experiment_name)
    way = _way(settings, devices, queue=queue)
    console = SafeConsole(stderr=as_json)
    settings = pinned(settings)
    if dataset is not None:
        data = _data_of_store(dataset, settings, console, with_verdicts=verdicts)
        settings, grouping = _with_grouping(settings, data, experiment, given)
        if grouping:
            console.print(grouping, highlight=False, soft_wrap=True)
        summary = _cross_validate(data, settings, experiment, console, way, _labels(data, wanted))
        _record(experiment, summary, data)
    elif data_dir is not None:
        data = folder_data(data_dir, load_vocabulary(vocab_json))
        summary = _cross_validate(data, settings, experiment, console, way, {})
    _print_end(summary, experiment, as_json=as_json)


def _cross_validate(
    data: "TrainingData",
    settings: TrainingSettings,
    experiment: "Experiment",
    console: SafeConsole,
    way: "Way",
    labels: Mapping[str, str],
) -> Summary:
    from trainer.running.cross_validation import cross_validate, cross_validate_heads

    if settings.encoder:
        return cross_validate_heads(data, settings, experiment, console, labels=labels)
    return cross_validate(data, settings, experiment, console, way, labels=labels)


def _record(experiment: "Experiment", summary: Summary, data: "TrainingData") -> None:
    from common.store.session import open_store
    from trainer.running.cross_validation import record_run

    engine = open_store()
    record_run(engine, experiment, summary, fingerprint=data.fingerprint)
    engine.dispose()


def _way(settings: TrainingSettings, devices: str | None, *, queue: bool) -> "Way":
    """How the folds of networks are trained.

    Raises:
        UsageError: both are given, or one of them for heads; or a device does not exist.
    """
    if settings.encoder and (devices is not None or queue):
        raise UsageError(
            "A head takes only seconds, so the recipe head trains all folds in this process. "
            "Leave out --devices and --queue."
        )
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


def _data_of_store(
    name: str, settings: TrainingSettings, console: SafeConsole, *, with_verdicts: bool
) -> "TrainingData":
    from common.process.settings import ImageSettings
    from common.store.session import open_store
    from trainer.data.store_dataset import dataset_data

    engine = open_store()
    image_dir = ImageSettings.read().image_dir
    data = dataset_data(engine, name, image_dir, settings.kind, with_verdicts=with_verdicts)
    engine.dispose()
    if with_verdicts:
        judged = sum(example.is_judged for example in data.examples)
        console.print(f"Labelled by verdicts: {judged:,} of {len(data.examples):,} pictures.")
    return data


def _labels(data: "TrainingData", languages: list[str]) -> dict[str, str]:
    """The names of categories in the report."""
    from common.store.session import open_store
    from trainer.data.store_dataset import labels_of

    if data.vocabulary is None:
        return {}
    engine = open_store()
    try:
        return labels_of(engine, data.vocabulary, languages)
    finally:
        engine.dispose()


def _with_grouping(
    settings: TrainingSettings,
    data: "TrainingData",
    experiment: "Experiment",
    given: Container[str],
) -> tuple[TrainingSettings, str]:
    """The settings of networks with their grouping, and a message for the user, if any.

    An experiment that has begun keeps its grouping, so that the same command continues it.
    """
    from trainer.data.providers import with_grouping

    if settings.encoder:
        return settings, ""
    if not (experiment.folder / "conf.json").exists():
        return with_grouping(settings, data, given=given)
    begun = experiment.settings()
    kept = {name: getattr(begun, name) for name in ("group_by", "folds") if name not in given}
    return settings.changed(**kept), ""


def _print_end(summary: Summary, experiment: "Experiment", *, as_json: bool) -> None:
    from trainer.models.prospect import prospect_of
    from trainer.report.promotion import left_out_providers

    report, prospect = experiment.folder / "report.html", prospect_of(experiment)
    left_out = left_out_providers(experiment, prospect) if prospect else {}
    if as_json:
        finished = FinishedTraining(
            experiment=experiment.name,
            folder=experiment.folder,
            report=report,
            summary=summary,
            left_out_providers=left_out,
        )
        print_json(finished, FinishedTraining)
    else:
        _print_scores(summary)
        _print_providers(left_out)
        print_line(f"Report: {report}")
        print_line(f"Tables, plots and heatmaps: {experiment.folder}")
    next_step(f"trainer promote {experiment.name}")


def _print_scores(summary: Summary) -> None:
    print_listing("Categories", category_listing(summary))
    title = f"{summary.folds} folds, {summary.examples:,} test predictions"
    print_listing(title, overall_listing(summary))


def _print_providers(scores: Mapping[str, ProviderScores]) -> None:
    if scores:
        title = "Left-out providers, with 95% intervals"
        if len(scores) > MOST_PROVIDERS:
            title += f"; the {MOST_PROVIDERS} of {len(scores):,} with the most pictures"
        print_listing(title, provider_listing(scores, most=MOST_PROVIDERS))
        print_line(about_new_providers(scores))
