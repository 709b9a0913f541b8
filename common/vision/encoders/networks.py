"""The networks of encoders: those of timm and torchvision, without their heads.

A network is named by its library: `timm:vit_base_patch16_siglip_224`, `torchvision:mobilenet_v2`.
After a dot may stand which of several weights is meant: `torchvision:mobilenet_v2.IMAGENET1K_V1`.
It takes normalised float pictures and returns features (n, dimension). Preprocessing and licence
are those of the weights that the library offers under this name.
"""

import difflib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.transforms import InterpolationMode

from common.errors import ModelError, UsageError
from common.vision.encoders.description import MOST_NUMBERS
from common.vision.kinds import Interpolation, ResizeMode
from common.vision.network import (
    architectures,
    build_classifier,
    downloaded,
    last_layer,
    weight_names,
)
from common.vision.preprocessing import Preprocessing
from common.vision.weights import StateDict, fill, read_state_dict

Library = Literal["timm", "torchvision"]

_CROPS: dict[str, ResizeMode] = {"center": "crop", "squash": "squash", "border": "letterbox"}
_TORCHVISION_LICENCE = "bsd-3-clause"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a library says of the weights that it offers: how pictures are prepared, the licence.

    `licence` is empty if the library does not know it.
    """

    preprocessing: Preprocessing
    licence: str


def split_name(name: str) -> tuple[Library, str]:
    """The library and its name of a network.

    Raises:
        UsageError: there is no such network; the message names similar ones.
    """
    library, _, network = name.partition(":")
    if library == "torchvision":
        known = architectures()
        found = network.partition(".")[0] in known and _torchvision_weights(network) is not None
    elif library == "timm":
        from timm import is_model, list_models  # slow to load

        known = list_models()
        found = is_model(network) and _has_tag(network)
    else:
        raise UsageError(
            f"{name!r} is not a network of a library. Give timm:NAME or torchvision:NAME, "
            "such as torchvision:mobilenet_v2."
        )
    if not found:
        similar = difflib.get_close_matches(network, known, n=3)
        hint = f"Did you mean {' or '.join(similar)}?" if similar else "resnet18 is one."
        raise UsageError(f"{library} has no network {network!r}. {hint}")
    return cast("Library", library), network


def _has_tag(network: str) -> bool:
    """Whether timm knows the weights that a name asks for after its dot, if it asks for some."""
    from timm.models import get_pretrained_cfg  # slow to load

    try:
        get_pretrained_cfg(network, allow_unregistered=False)
    except RuntimeError:
        return "." not in network
    return True


def build_network(name: str, *, size: int) -> nn.Module:
    """The network without its head, with random weights.

    Args:
        size: the side of the pictures in pixels; transformers with fixed positions need it.

    Raises:
        UsageError: there is no such network, or it cannot take pictures of this size.
    """
    library, network = split_name(name)
    try:
        if library == "timm":
            return _timm(network, size)
        architecture = network.partition(".")[0]
        return _without_head(build_classifier(architecture, classes=2, size=size))
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise UsageError(f"{name} cannot be built for {size} px: {_first_line(error)}") from error


def origin_of(name: str) -> Origin:
    """How the library prepares pictures for the weights of this network, and their licence.

    Raises:
        UsageError: there is no such network.
        ModelError: it takes pictures that are not square.
    """
    library, network = split_name(name)
    return _timm_origin(network) if library == "timm" else _torchvision_origin(network)


def pretrained_weights(name: str) -> StateDict:
    """The weights that the library offers, downloaded on first use.

    Raises:
        UsageError: there is no such network.
        ModelError: there are none, or they cannot be downloaded.
    """
    library, network = split_name(name)
    if library == "torchvision":
        return downloaded(_torchvision_weights(network), of=name)
    import timm  # slow to load

    try:
        with _silent_hub():
            made = timm.create_model(network, pretrained=True, num_classes=0)
    except Exception as error:  # the hub's errors have no common type
        raise ModelError(
            f"The weights of {name} cannot be downloaded ({_first_line(error)}); "
            "give a file instead: --weights FILE."
        ) from error
    return cast("StateDict", made.state_dict())


def load_whole(network: nn.Module, weights: Path | StateDict, *, source: str) -> None:
    """Give a network all its weights. Those of a head, which it does not have, are ignored.

    Raises:
        ModelError: the file cannot be read, or a tensor is missing or has another shape.
    """
    given = read_state_dict(weights) if isinstance(weights, Path) else weights
    own = network.state_dict()
    wanted = weight_names(own)
    wrong = [n for n in wanted if n not in given or given[n].shape != own[n].shape]
    if wrong:
        raise ModelError(
            f"{source} contains weights of another network: {len(wrong)} of {len(wanted)} tensors "
            f"are missing or have another shape, such as {wrong[0]}."
        )
    fill(network, {name: given[name] for name in own if name in given}, source=source)


def dimension_of(network: nn.Module, *, size: int) -> int:
    """How many numbers the network gives for a picture.

    Raises:
        ModelError: it gives no row of numbers for a picture, or too many of them.
    """
    with torch.inference_mode():
        found = network.eval()(torch.zeros(2, 3, size, size))
    if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != 2:
        raise ModelError("The network does not give a row of numbers for each picture.")
    if found.shape[1] > MOST_NUMBERS:
        raise ModelError(
            f"The network gives {found.shape[1]:,} numbers for a picture; at most "
            f"{MOST_NUMBERS:,} can be saved."
        )
    return found.shape[1]


def _timm(network: str, size: int) -> nn.Module:
    import timm  # slow to load

    fixed = timm.models.get_pretrained_cfg_value(network, "fixed_input_size")
    options: dict[str, Any] = {"img_size": size} if fixed else {}
    return timm.create_model(network, pretrained=False, num_classes=0, **options)


@contextmanager
def _silent_hub() -> Iterator[None]:
    """The hub says of each try that it fails, several times; our error says it once."""
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "timm")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


def _without_head(classifier: nn.Module) -> nn.Module:
    """A classifier of torchvision, whose last layer gives back what it is given."""
    name, _ = last_layer(classifier)
    classifier.set_submodule(name, nn.Identity())
    return classifier


def _timm_origin(network: str) -> Origin:
    from timm.data.config import resolve_data_config  # slow to load
    from timm.models import get_pretrained_cfg

    known = get_pretrained_cfg(network)
    facts = known.to_dict() if known else {}  # type: ignore[no-untyped-call]
    config = resolve_data_config(pretrained_cfg=facts)  # type: ignore[no-untyped-call]
    _, height, width = config["input_size"]
    if height != width:
        raise ModelError(
            f"timm:{network} needs pictures of {width} x {height} pixels, but only square "
            "pictures are supported."
        )
    return Origin(
        preprocessing=Preprocessing(
            size=width,
            resize=_CROPS[config["crop_mode"]],
            kept=config["crop_pct"] if config["crop_mode"] == "center" else 1.0,
            interpolation=_interpolation(config["interpolation"]),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
        ),
        licence=(known.license or "") if known else "",
    )


def _torchvision_weights(network: str) -> WeightsEnum | None:
    architecture, _, tag = network.partition(".")
    offered: dict[str, WeightsEnum] = models.get_model_weights(architecture).__members__
    return offered.get(tag or "DEFAULT")


def _torchvision_origin(network: str) -> Origin:
    weights = _torchvision_weights(network)
    assert weights is not None  # as `split_name` saw
    how = weights.transforms()
    meta: Mapping[str, Any] = weights.meta
    (size,), (shorter,) = how.crop_size, how.resize_size
    interpolation = how.interpolation
    assert isinstance(interpolation, InterpolationMode)
    return Origin(
        preprocessing=Preprocessing(
            size=size,
            resize="crop",
            kept=min(1.0, size / shorter),
            interpolation=_interpolation(interpolation.value),
            mean=tuple(how.mean),
            std=tuple(how.std),
        ),
        licence="cc-by-nc-4.0" if "SWAG" in str(meta.get("recipe")) else _TORCHVISION_LICENCE,
    )


def _interpolation(name: str) -> Interpolation:
    return "bilinear" if name == "bilinear" else "bicubic"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
