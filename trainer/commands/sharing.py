"""`trainer models export`."""

from pathlib import Path
from typing import Annotated

import typer

from common.process.settings import ModelSettings
from common.process.terminal.next_step import next_step
from trainer.commands.options import StoredReference
from trainer.commands.printing import print_line


def export(
    model: StoredReference,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write.")],
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Licence of the weights, such as apache-2.0. Default: that of the encoder.",
        ),
    ] = None,
) -> None:
    """Write a model as a folder that you can share, such as on the Hugging Face Hub.

    It holds a model card, weights (safetensors), the whole network (ONNX), the vocabulary (SKOS)
    and an example program. It holds no training pictures.

    Example: trainer models export vases@2 vases-2 --licence apache-2.0
    """
    from common.store.session import open_store
    from trainer.report.sharing.exporting import share_model

    shared = share_model(
        open_store(), ModelSettings.read().model_dir, model, folder, licence=licence
    )
    print_line(f"{shared.title} is in {folder}. Read {folder / 'README.md'} before you share it.")
    next_step(f"hf upload YOU/{folder.name} {folder}")
