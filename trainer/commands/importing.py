"""`trainer models import` and `trainer models export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import UsageError
from common.process.settings import ModelSettings
from common.process.terminal.next_step import next_step
from trainer.commands.options import (
    DataDir,
    Floor,
    Labelled,
    Precision,
    StoredReference,
    VocabularyFile,
    labelled_pictures,
)
from trainer.commands.printing import print_line, warn

if TYPE_CHECKING:
    from trainer.models.importing import ForeignCheckpoint
    from trainer.models.proposal import Proposal

CHECKPOINT = "The checkpoint"
ClassIndex = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=(
            "File with the label of each output. Default: class_index.json in the folder of "
            "the checkpoint."
        ),
        rich_help_panel=CHECKPOINT,
    ),
]
CheckpointFile = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT",
        help=(
            "File with a state dict (.pth or .safetensors), or a folder from `trainer models "
            "export`."
        ),
    ),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="An architecture of torchvision, such as resnet18.",
        rich_help_panel=CHECKPOINT,
    ),
]
InputSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help="Side of the training pictures, in pixels.",
        rich_help_panel=CHECKPOINT,
    ),
]


def import_(
    checkpoint: CheckpointFile,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new model.")],
    architecture: Architecture = None,
    input_size: InputSize = None,
    class_index: ClassIndex = None,
    vocab_json: VocabularyFile = Path("vocabulary.json"),
    dataset: Labelled = None,
    data_dir: DataDir = None,
    precision: Precision = 0.9,
    floor: Floor = None,
) -> None:
    """Make a model from a checkpoint of another program, or from a folder that others shared.

    A shared model keeps its thresholds. Its precision for your records is not proved until you
    audit it.

    For a checkpoint, give --architecture and --input-size, and labelled pictures that were not used
    to train the model. Without labelled pictures, the new model writes no concept.

    Examples: trainer models import checkpoint.pth --architecture resnet18 --input-size 64
    --name pilot --data-dir labelled · trainer models import vases-2 --name vases
    """
    from common.store.session import open_store
    from common.vocabulary.reading import load_vocabulary
    from trainer.models.importing import import_checkpoint
    from trainer.models.proposal import Terms

    if checkpoint.is_dir():
        given = (architecture, input_size, class_index, dataset, data_dir, floor)
        _import_shared(checkpoint, name, needless=[each for each in given if each is not None])
        return
    weights = _read(checkpoint, class_index, architecture, input_size)
    vocabulary, engine = load_vocabulary(vocab_json), open_store()
    data = None
    if dataset is not None or data_dir is not None:
        data = labelled_pictures(dataset, data_dir, vocabulary=vocabulary, kind="single")
    folder = ModelSettings.read().model_dir
    proposal, made = import_checkpoint(
        weights,
        vocabulary,
        data,
        name=name,
        terms=Terms(precision=precision, floor=floor),
        model_dir=folder,
        engine=engine,
    )
    _print_promise(proposal, is_measured=data is not None)
    print_line(f"Imported: {made.title}, in {folder / made.path}")
    next_step(f"trainer models activate {made.name}@{made.version}")


def _read(
    checkpoint: Path, class_index: Path | None, architecture: str | None, input_size: int | None
) -> "ForeignCheckpoint":
    from common.vision.preprocessing import Preprocessing
    from trainer.models.importing import read_checkpoint

    if architecture is None or input_size is None:
        raise UsageError("A checkpoint needs --architecture and --input-size.")
    index = class_index or checkpoint.with_name("class_index.json")
    how = Preprocessing(size=input_size)
    return read_checkpoint(checkpoint, index, architecture=architecture, preprocessing=how)


def _import_shared(folder: Path, name: str, *, needless: list[object]) -> None:
    from common.store.session import open_store
    from trainer.report.sharing.arriving import import_shared

    if needless:
        raise UsageError(
            "With a shared folder, give only --name. The folder contains all other settings."
        )
    model_dir = ModelSettings.read().model_dir
    made = import_shared(open_store(), model_dir, folder, name=name)
    print_line(f"Imported: {made.title}, in {model_dir / made.path}")
    warn("The accuracy on your records is not known. Run a job with the model, then audit the job.")
    next_step(f"trainer models activate {made.name}@{made.version}")


def _print_promise(proposal: "Proposal", *, is_measured: bool) -> None:
    from trainer.commands.promote import print_proposal

    if is_measured:
        print_proposal(proposal)
    else:
        warn(
            "Every concept is off, because a promise needs labelled pictures (--dataset or "
            "--data-dir)."
        )


def export(
    model: StoredReference,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write.")],
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Licence of the weights, such as apache-2.0. Default: the licence of the encoder.",
        ),
    ] = None,
) -> None:
    """Write a model to a folder that you can share, for example on the Hugging Face Hub.

    The folder has a model card, weights (safetensors), the whole network (ONNX), the vocabulary
    (SKOS) and an example program. It has no training pictures.

    Example: trainer models export vases@2 vases-2 --licence apache-2.0
    """
    from common.store.session import open_store
    from trainer.report.sharing.exporting import share_model

    shared = share_model(
        open_store(), ModelSettings.read().model_dir, model, folder, licence=licence
    )
    print_line(f"{shared.title} is in {folder}. Read {folder / 'README.md'} before you share it.")
    next_step(f"hf upload YOU/{folder.name} {folder}")
