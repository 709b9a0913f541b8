"""`trainer train`: arguments only."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.errors import UsageError
from common.europeana.vocabulary import load_vocabulary
from common.settings import ImageSettings
from common.store.session import open_store
from common.vision.preprocessing import ResizeMode
from trainer.commands.options import SavingDir
from trainer.config import TrainingConfig
from trainer.crossvalidation import cross_validate
from trainer.dataset import folder_data
from trainer.experiment import Experiment
from trainer.store import CheckpointRow, dataset_data, record_run
from trainer.summary import Summary, category_table, overall_table

DEFAULT = TrainingConfig()


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
    epochs: Annotated[int, typer.Option(help="Epochs at most.")] = DEFAULT.epochs,
    patience: Annotated[
        int, typer.Option(help="Epochs without improvement before a fold stops.")
    ] = DEFAULT.patience,
    folds: Annotated[int, typer.Option(help="Parts of the cross-validation.")] = DEFAULT.folds,
    img_aug: Annotated[
        float, typer.Option(help="Strength of the image augmentation, 0 to 1.")
    ] = DEFAULT.image_augmentation,
    arch: Annotated[
        str, typer.Option(help="Any classification architecture of torchvision.")
    ] = DEFAULT.architecture,
    weights: Annotated[
        str, typer.Option(help="Start from: none, imagenet, or a .safetensors or .pth file.")
    ] = DEFAULT.weights,
    input_size: Annotated[
        int, typer.Option(help="Side of the pictures in pixels.")
    ] = DEFAULT.input_size,
    resize: Annotated[
        ResizeMode, typer.Option(help="How pictures become square.")
    ] = DEFAULT.resize,
    batch_size: Annotated[int, typer.Option(help="Pictures a step.")] = DEFAULT.batch_size,
    learning_rate: Annotated[
        float, typer.Option(help="The highest, after the warm-up.")
    ] = DEFAULT.learning_rate,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = DEFAULT.seed,
    vocab_json: Annotated[
        Path, typer.Option(help="Labels and their concepts, for --data-dir.")
    ] = Path("vocabulary.json"),
) -> None:
    """Cross-validate a classifier: every picture is tested by one that has not seen it."""
    config = TrainingConfig(
        architecture=arch,
        weights=weights,
        input_size=input_size,
        resize=resize,
        image_augmentation=img_aug,
        folds=folds,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    experiment = Experiment(saving_dir, experiment_name)
    if (name is None) == (data_dir is None):
        raise UsageError("Give either --name DATASET or --data-dir FOLDER.")
    if name is not None:
        summary = _train_from_store(name, config, experiment)
    elif data_dir is not None:
        data = folder_data(data_dir, load_vocabulary(vocab_json))
        summary = cross_validate(data, config, experiment, Console())
    _print_end(summary, experiment)


def _train_from_store(name: str, config: TrainingConfig, experiment: Experiment) -> Summary:
    engine = open_store()
    data = dataset_data(engine, name, ImageSettings.read().image_dir)
    summary = cross_validate(data, config, experiment, Console())
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
        config=asdict(config),
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
