"""`trainer models import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.process.settings import ModelSettings
from common.process.terminal.next_step import next_step
from trainer.commands.options import (
    DataDir,
    Floor,
    Labelled,
    Precision,
    VocabularyFile,
    labelled_pictures,
)
from trainer.commands.printing import print_line, warn

if TYPE_CHECKING:
    from trainer.models.proposal import Proposal

CHECKPOINT = "The checkpoint"
ClassIndex = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The label of each output. Default: class_index.json beside the checkpoint.",
        rich_help_panel=CHECKPOINT,
    ),
]
CheckpointFile = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="State dict: .pth or .safetensors.")
]
Architecture = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="An architecture of torchvision, such as resnet18.",
        rich_help_panel=CHECKPOINT,
    ),
]
InputSize = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help="Side of the pictures in training.",
        rich_help_panel=CHECKPOINT,
    ),
]


def import_(
    checkpoint: CheckpointFile,
    architecture: Architecture,
    input_size: InputSize,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new model.")],
    class_index: ClassIndex = None,
    vocab_json: VocabularyFile = Path("vocabulary.json"),
    dataset: Labelled = None,
    data_dir: DataDir = None,
    precision: Precision = 0.9,
    floor: Floor = None,
) -> None:
    """Make a model from a foreign checkpoint, such as the pilot's.

    Its promise is measured on labelled pictures (--dataset or --data-dir) that the checkpoint was
    not trained on. Without them every concept is off.

    Example: trainer models import checkpoint.pth --architecture resnet18 --input-size 64
    --name pilot --data-dir labelled
    """
    from common.store.session import open_store
    from common.vision.preprocessing import Preprocessing
    from common.vocabulary.reading import load_vocabulary
    from trainer.models.importing import import_checkpoint, read_checkpoint
    from trainer.models.proposal import Terms

    index = class_index or checkpoint.with_name("class_index.json")
    how = Preprocessing(size=input_size)
    weights = read_checkpoint(checkpoint, index, architecture=architecture, preprocessing=how)
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


def _print_promise(proposal: "Proposal", *, is_measured: bool) -> None:
    from trainer.commands.promote import print_proposal

    if is_measured:
        print_proposal(proposal)
    else:
        warn("Every concept is off: a promise needs labelled pictures (--dataset or --data-dir).")
