"""Models on disk without their networks: heads, likeness and rule, read as arrays.

So who only asks what a model says of embeddings that are kept, such as the desk, loads no torch.
"""

from pathlib import Path

from common.errors import ModelError
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Head, HeadEnsemble
from common.vision.answers.likeness import Likeness
from common.vision.bundle import BundleFile, Description, read_arrays


def load_answering(folder: Path, description: Description) -> Answering:
    """A model without its network: the heads of one on an encoder, likeness and rule.

    Raises:
        ModelError: a file is missing or was changed, or is none of this model.
    """
    heads = load_heads(folder, description) if description.encoder else None
    likeness = _load_likeness(folder, description)
    return Answering(description=description, heads=heads, likeness=likeness)


def load_heads(folder: Path, description: Description) -> HeadEnsemble:
    """The heads of a model on an encoder, without the encoder.

    Raises:
        ModelError: a file is missing or was changed, or is no head of this model.
    """
    heads = tuple(_load_head(folder, file) for file in description.members)
    if not heads:
        raise ModelError(f"{folder} contains a model without weights.")
    return HeadEnsemble(heads, description.kind, description.temperature)


def _load_head(folder: Path, file: BundleFile) -> Head:
    arrays = read_arrays(folder, file)
    try:
        return Head.rounded(arrays["weight"], arrays["bias"])
    except (KeyError, ValueError) as error:
        raise ModelError(f"{folder / file.file} is no head: {error}.") from error


def _load_likeness(folder: Path, description: Description) -> Likeness | None:
    if description.likeness is None or description.least_likeness is None:
        return None
    arrays = read_arrays(folder, description.likeness)
    return Likeness.of(arrays["references"], description.least_likeness)
