"""`trainer train`: arguments only."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from common.errors import UsageError
from common.europeana.vocabulary import load_vocabulary
from common.process.settings import ImageSettings
from common.store.session import open_store
from common.vision.model import Kind
from common.vision.preprocessing import ResizeMode
from trainer.commands.options import SavingDir
from trainer.data.dataset import dataset_data, folder_data
from trainer.experiment import Experiment
from trainer.learning import distributed
from trainer.models.store import CheckpointRow, record_run
from trainer.report.page import Summary, category_table, overall_table
from trainer.running.cross_validation import Way, cross_validate
from trainer.running.in_sequence import follow, run_in_sequence
from trainer.running.on_devices import parse_devices, run_side_by_side
from trainer.running.on_machines import FoldQueue, create_app, run_by_queue
from trainer.settings import (
    RECIPES,
    ClassWeights,
    GroupBy,
    RecipeName,
    TrainingConfig,
    recipe,
)

DEFAULT = TrainingConfig()


def _said(what: str, name: str) -> str:
    """Help on a setting whose default hangs on the recipe."""
    values = {each: getattr(config, name) for each, config in RECIPES.items()}
    usual = values["scratch"]
    others = [f"{each} {value}" for each, value in values.items() if value != usual]
    return f"{what} Default: {'; '.join([str(usual), *others])}."


def train(
    name: Annotated[str | None, typer.Option(help="Dataset of the store to train on.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Or: folder with a sub-folder of pictures a category; needs no store."),
    ] = None,
    experiment_name: Annotated[
        str, typer.Option(help="Name of the run; the same command goes on where it was.")
    ] = "model_training",
    saving_dir: SavingDir = Path("experiments"),
    mode: Annotated[
        Kind, typer.Option(help="single: a picture has one category; multi: any number.")
    ] = DEFAULT.kind,
    group_by: Annotated[
        GroupBy,
        typer.Option(help="What no fold divides: copies of a picture, or data providers too."),
    ] = DEFAULT.group_by,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.")] = DEFAULT.folds,
    arch: Annotated[
        str, typer.Option(help="Any classification architecture of torchvision.")
    ] = DEFAULT.architecture,
    weights: Annotated[
        str, typer.Option(help="Start from: none, imagenet, or a .safetensors or .pth file.")
    ] = DEFAULT.weights,
    recipe_name: Annotated[
        RecipeName | None,
        typer.Option(
            "--recipe",
            help="Settings that go together; head leaves given weights as they are. Default: "
            "scratch, with --weights fine-tune.",
        ),
    ] = None,
    input_size: Annotated[
        int, typer.Option(help="Side of the pictures in pixels.")
    ] = DEFAULT.input_size,
    resize: Annotated[
        ResizeMode, typer.Option(help="How pictures become square.")
    ] = DEFAULT.resize,
    batch_size: Annotated[int, typer.Option(help="Pictures a step.")] = DEFAULT.batch_size,
    head_epochs: Annotated[
        int | None, typer.Option(help=_said("Epochs first for the new head alone.", "head_epochs"))
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help=_said("Epochs of everything, at most.", "epochs"))
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help=_said("Epochs without improvement before a fold stops.", "patience")),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=_said("The highest, after the warm-up.", "learning_rate"))
    ] = None,
    lowest_rate: Annotated[
        float | None,
        typer.Option(help=_said("Rate of the first layers, times the head's.", "lowest_rate")),
    ] = None,
    start_scale: Annotated[
        float | None,
        typer.Option(help=_said("Scale of pictures in the first half.", "start_scale")),
    ] = None,
    img_aug: Annotated[
        float | None,
        typer.Option(
            help=_said("Strength of the image augmentation, 0 to 1.", "image_augmentation")
        ),
    ] = None,
    mixup: Annotated[
        float | None,
        typer.Option(help=_said("Strength of blending pictures; 0: none.", "mixup")),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(help=_said("How far targets move towards not knowing.", "label_smoothing")),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(help=_said("Decay of the moving average of weights; 0: none.", "ema")),
    ] = None,
    class_weights: Annotated[
        ClassWeights,
        typer.Option(
            help="What rare categories count more, by (the root of) their inverse frequency. It "
            "finds more of them, at the cost of overall accuracy and calibration."
        ),
    ] = DEFAULT.class_weights,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = DEFAULT.seed,
    devices: Annotated[
        str | None,
        typer.Option(help="Train folds side by side, one a device: cuda:0,cuda:1 or cpu,cpu."),
    ] = None,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Let machines that run `trainer worker` train the folds."),
    ] = False,
    vocab_json: Annotated[
        Path, typer.Option(help="Labels and their concepts, for --data-dir.")
    ] = Path("vocabulary.json"),
) -> None:
    """Cross-validate a classifier: every picture is tested by one that has not seen it."""
    of_recipe = {
        "head_epochs": head_epochs,
        "epochs": epochs,
        "patience": patience,
        "learning_rate": learning_rate,
        "lowest_rate": lowest_rate,
        "start_scale": start_scale,
        "image_augmentation": img_aug,
        "mixup": mixup,
        "label_smoothing": label_smoothing,
        "ema": ema,
    }
    given: dict[str, Any] = {key: value for key, value in of_recipe.items() if value is not None}
    config = replace(
        recipe(weights, recipe_name),
        kind=mode,
        group_by=group_by,
        folds=folds,
        architecture=arch,
        input_size=input_size,
        resize=resize,
        batch_size=batch_size,
        class_weights=class_weights,
        seed=seed,
        **given,
    )
    if (name is None) == (data_dir is None):
        raise UsageError("Give either --name DATASET or --data-dir FOLDER.")
    experiment, way = Experiment(saving_dir, experiment_name), _way(devices, queue=queue)
    with distributed.joined():
        if not distributed.is_leader():
            follow()
            return
        if name is not None:
            summary = _train_from_store(name, config, experiment, way)
        elif data_dir is not None:
            data = folder_data(data_dir, load_vocabulary(vocab_json))
            summary = cross_validate(data, config, experiment, Console(), way)
        distributed.told(None)
    _print_end(summary, experiment)


def _way(devices: str | None, *, queue: bool) -> Way:
    """How the folds are trained.

    Raises:
        UsageError: in more than one way at a time, or on devices that are not there.
    """
    if (devices is not None) + queue + distributed.is_team() > 1:
        raise UsageError("Take one of --devices, --queue and torchrun.")
    if devices is not None:
        return partial(run_side_by_side, devices=parse_devices(devices))
    if queue:
        return partial(run_by_queue, queue=FoldQueue(create_app()))
    return run_in_sequence


def _train_from_store(
    name: str, config: TrainingConfig, experiment: Experiment, way: Way
) -> Summary:
    engine = open_store()
    data = dataset_data(engine, name, ImageSettings.read().image_dir, config.kind)
    summary = cross_validate(data, config, experiment, Console(), way)
    results = [experiment.result(number) for number in range(config.folds)]
    checkpoints = [
        CheckpointRow(
            fold=result.fold,
            path=str((experiment.split(result.fold) / "checkpoint.pth").resolve()),
            sha256=result.checkpoint_sha256,
            metrics=result.test.to_json(),
        )
        for result in results
    ]
    record_run(
        engine,
        name=experiment.name,
        config=asdict(experiment.config()),
        fingerprint=data.fingerprint,
        metrics=summary.to_json(),
        checkpoints=checkpoints,
    )
    engine.dispose()
    return summary


def _print_end(summary: Summary, experiment: Experiment) -> None:
    console = Console()
    console.print(category_table(summary))
    console.print(overall_table(summary))
    console.print(
        f"All of it: {experiment.folder}; what each fold looked at: "
        f"{experiment.folder}/split_*/heatmaps\n"
        f"Next: trainer promote {experiment.name}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
