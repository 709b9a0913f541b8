"""Options that several commands have, and options made from the training settings.

Modules of commands import no heavy library: help and wrong usage must not wait for torch.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from common.errors import UsageError
from common.vision.kinds import Kind
from trainer.commands.recipes import RECIPES, is_of
from trainer.settings import NO_WEIGHTS, TrainingSettings, option_of, range_of

if TYPE_CHECKING:
    from trainer.data.dataset import TrainingData
    from trainer.models.registry import OpenModel

SavingDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help=(
            "Folder of the experiments. Default: the setting EXPERIMENT_DIR, or the folder "
            "`experiments`."
        ),
    ),
]
Precision = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        metavar="SHARE",
        help="Minimum precision of each concept, with 95 % confidence.",
        rich_help_panel="The promise",
    ),
]
Floor = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="PROBABILITY",
        help="Never write a concept below this probability. Default: 0.5. If a picture can have "
        "several concepts, the default is 0.2.",
        rich_help_panel="The promise",
    ),
]
PICTURES = "Labelled pictures"
Labelled = Annotated[
    str | None,
    typer.Option(
        "--dataset", metavar="NAME", help="A dataset of the store.", rich_help_panel=PICTURES
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help=(
            "Use a folder instead of a dataset. It has a sub-folder of pictures for each "
            "category of the vocabulary."
        ),
        rich_help_panel=PICTURES,
    ),
]
VocabularyFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="With --data-dir: file with the concepts and their labels, in JSON or SKOS.",
        rich_help_panel=PICTURES,
    ),
]
ModelReference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="NAME@VERSION, NAME, or the folder of a bundle. NAME means the version in service, "
        "or the only version. See `trainer models list`.",
    ),
]
StoredReference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="NAME@VERSION, or NAME. NAME means the version in service, or the only version.",
    ),
]


def with_training_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every training setting that has one.

    The command gets the given ones in one argument, `given`: name to value.
    """
    names = [name for name in TrainingSettings.model_fields if option_of(name)]

    @wraps(command)
    def with_options(**values: Any) -> None:
        chosen = {name: values.pop(name) for name in names}
        given = {name: value for name, value in chosen.items() if value is not None}
        command(**values, given=given)

    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [each for each in own if each.name != "given"]
    parameters += [_parameter(name) for name in names]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def _parameter(name: str) -> inspect.Parameter:
    field = TrainingSettings.model_fields[name]
    option = typer.Option(
        option_of(name), help=help_of(name), show_default=False, rich_help_panel="Training settings"
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Optional[field.annotation], option],  # noqa: UP045 - made here
    )


def help_of(name: str) -> str:
    field = TrainingSettings.model_fields[name]
    limits = f" {range_of(name).capitalize()}." if field.metadata else ""
    return f"{field.description}{limits} Default: {defaults_of(name)}."


def defaults_of(name: str) -> str:
    if name == "weights":
        return NO_WEIGHTS  # fine-tuning needs some
    heeding = {each: settings for each, settings in RECIPES.items() if is_of(name, each)}
    values = {each: _in_words(getattr(settings, name)) for each, settings in heeding.items()}
    usual = next(iter(values.values()))
    others = [f"{recipe} {value}" for recipe, value in values.items() if value != usual]
    return "; ".join([usual, *others])


def _in_words(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"


def labelled_pictures(
    dataset: str | None,
    data_dir: Path | None,
    *,
    vocabulary: dict[str, str],
    kind: Kind,
) -> "TrainingData":
    """The data of a dataset or of --data-dir.

    Raises:
        UsageError: neither or both are given, or there is no such data.
        DatasetError: there is no picture.
    """
    from common.process.settings import ImageSettings
    from common.store.session import open_store
    from trainer.data.dataset import folder_data
    from trainer.data.store_dataset import dataset_data

    if dataset is not None and data_dir is None:
        engine = open_store()
        try:
            return dataset_data(engine, dataset, ImageSettings.read().image_dir, kind)
        finally:
            engine.dispose()
    if data_dir is not None and dataset is None:
        return folder_data(data_dir, vocabulary)
    raise UsageError("Give either --dataset NAME or --data-dir FOLDER.")


def experiments_in(saving_dir: Path | None) -> Path:
    """The folder of the experiments: --saving-dir, or else the setting EXPERIMENT_DIR."""
    from common.process.settings import ExperimentSettings

    return saving_dir or ExperimentSettings.read().experiment_dir


def open_model(reference: str) -> "OpenModel":
    """The model of a bundle's folder, or of a name in the store.

    Raises:
        UsageError: there is no such model.
        ModelError: its bundle is missing or damaged, or is not the promoted one.
    """
    from common.process.settings import ModelSettings
    from common.store.session import open_store
    from common.vision.bundle import DESCRIPTION
    from trainer.models.registry import open_bundle, open_stored

    folder = Path(reference)
    if (folder / DESCRIPTION).is_file():
        return open_bundle(folder)
    engine = open_store()
    try:
        return open_stored(engine, ModelSettings.read().model_dir, reference)
    finally:
        engine.dispose()
