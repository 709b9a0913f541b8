"""The network: any classification architecture of torchvision, and weights from a file.

A classifier takes normalised float pictures and returns logits. Softmax or sigmoid come later.
"""

import difflib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torchvision import models
from torchvision.models import WeightsEnum

from common.errors import ModelError, UsageError
from common.vision.weights import StateDict, fill, read_state_dict

MATCH_REQUIRED = 0.9  # share of the tensors below the head that must be in the file

_NO_AUXILIARY_HEADS = {"aux_logits": False, "init_weights": True}
_OPTIONS = {"googlenet": _NO_AUXILIARY_HEADS, "inception_v3": _NO_AUXILIARY_HEADS}
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_NO_MEMORY = (
    *("out of memory", "allocate memory", "STATUS_ALLOC_FAILED", "ALLOCATION_FAILED"),
    "unable to find an engine",  # none whose workspace fits
)
_COUNTERS = "num_batches_tracked"  # of batch norm; not weights, and often not saved


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """The tensors of a classifier that a state dict replaced, by name.

    `missing` tensors keep their random values; `unexpected` tensors of the file are ignored.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing)
        new = ", ".join(self.missing) or "nothing"
        return f"{len(self.loaded)} of {total} tensors loaded; random: {new}"


def architectures() -> list[str]:
    return cast("list[str]", models.list_models(module=models))


def build_classifier(architecture: str, *, classes: int, size: int = 224) -> nn.Module:
    """A classifier with random weights that returns logits (n, classes).

    Args:
        size: the side of the pictures in pixels; transformers with fixed positions need it.

    Raises:
        UsageError: there is no such architecture.
    """
    if architecture not in architectures():
        similar = difflib.get_close_matches(architecture, architectures(), n=3)
        hint = f"did you mean {' or '.join(similar)}?" if similar else "resnet18 is one."
        raise UsageError(f"torchvision has no classifier {architecture!r}; {hint}")
    options: dict[str, object] = dict(_OPTIONS.get(architecture, {}))
    if architecture.startswith("vit_"):
        options["image_size"] = size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        network = models.get_model(architecture, weights=None, num_classes=classes, **options)
    return cast("nn.Module", network)


class HeadedNetwork(nn.Module):
    """A network without its last layer, and a head on it: pictures to logits (n, classes)."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.encoder(pictures))
        return logits


class EmbeddingHead(nn.Linear):
    """A head from features of any length, since embeddings have length 1."""

    def __init__(self, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
        super().__init__(weights.shape[1], weights.shape[0])
        self.load_state_dict({"weight": torch.from_numpy(weights), "bias": torch.from_numpy(bias)})

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.normalize(features, dim=1))


class FeaturesToo(nn.Module):
    """A classifier that gives two things: logits (n, classes), and the input of its last layer.

    It takes the classifier apart.

    Raises:
        ModelError: the last layer does not take a row of numbers for each picture.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        name, last = last_layer(classifier)
        if not isinstance(last, nn.Linear):
            raise ModelError("The last layer of the network does not take a row of numbers.")
        classifier.set_submodule(name, nn.Identity())
        self.body, self.last = classifier, last

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body(pictures)
        return self.last(features), features

    @property
    def classifier(self) -> nn.Module:
        """The classifier alone, on the same weights."""
        return HeadedNetwork(self.body, self.last)


def last_layer(classifier: nn.Module) -> tuple[str, nn.Module]:
    layers = [
        (name, module)
        for name, module in classifier.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    return layers[-1]


def compute_exactly() -> None:
    """Have this process compute in float32 where it says so; call it before a device is opened.

    TF32, which convolutions on a card use by default, keeps 10 bits. The older names of these
    settings work in each release since 2.6; a program must not mix them with the newer ones.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch raised this for want of memory, also page-locked or on a CPU.

    CUDA's libraries, and a CPU, say so in the text alone.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def imagenet_weights(architecture: str) -> StateDict:
    """The weights that torchvision recommends for an architecture, downloaded on first use.

    Raises:
        ModelError: they cannot be downloaded.
    """
    return downloaded(models.get_model_weights(architecture).DEFAULT, of=architecture)


def downloaded(weights: WeightsEnum, *, of: str) -> StateDict:
    """Weights that torchvision offers, downloaded on first use.

    Raises:
        ModelError: they cannot be downloaded.
    """
    try:
        return cast("StateDict", weights.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"The weights of {of} cannot be downloaded ({error}); "
            "give a file instead: --weights FILE."
        ) from error


def weight_names(state: StateDict) -> list[str]:
    return [name for name in state if not name.endswith(_COUNTERS)]


def load_weights(classifier: nn.Module, path: Path) -> LoadedWeights:
    """Load the fitting tensors of a file into a classifier; the file may have other classes.

    Raises:
        ModelError: the file is unusable, or holds weights for another architecture.
    """
    return load_state(classifier, read_state_dict(path), source=str(path))


def load_state(classifier: nn.Module, state: StateDict, *, source: str) -> LoadedWeights:
    own = classifier.state_dict()
    given = _without_prefix(state, own)
    fitting = {n: t for n, t in given.items() if n in own and own[n].shape == t.shape}
    counted = weight_names(own)
    result = LoadedWeights(
        loaded=tuple(name for name in counted if name in fitting),
        missing=tuple(name for name in counted if name not in fitting),
        unexpected=tuple(name for name in given if name not in fitting),
    )
    _check_same_architecture(classifier, result, source)
    fill(classifier, fitting, source=source)
    return result


def _without_prefix(state: StateDict, own: StateDict) -> StateDict:
    """The tensors without a prefix such as `net.`, which some trainers add to all names."""
    prefixes = {"", *(name.split(".", 1)[0] + "." for name in state)}
    best = max(sorted(prefixes), key=lambda prefix: sum(prefix + name in state for name in own))
    return {name.removeprefix(best): tensor for name, tensor in state.items()}


def _check_same_architecture(classifier: nn.Module, weights: LoadedWeights, source: str) -> None:
    head = [name for name, _ in classifier.named_children()][-1] + "."
    ignored = (head, *_AUXILIARY)

    def body(names: tuple[str, ...]) -> int:
        return sum(not name.startswith(ignored) and not name.endswith(_COUNTERS) for name in names)

    loaded = body(weights.loaded)
    expected = loaded + max(body(weights.missing), body(weights.unexpected))
    if loaded < MATCH_REQUIRED * expected:
        raise ModelError(
            f"{source} contains weights for another architecture than "
            f"{type(classifier).__name__}: {loaded} of {expected} tensors match."
        )
