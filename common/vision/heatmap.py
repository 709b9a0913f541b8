"""Heatmaps: where a classifier looks, by Grad-CAM (Selvaraju et al., 2017,
https://arxiv.org/abs/1610.02391).

They work for every classification architecture of torchvision, and for encoders of torchvision and
timm with a head, at the training size. The layer is:

- Convolutional networks and MaxViT: the last stage whose output has more than one position. A stage
  is a child of the classifier, or an item of a sequence or list among its children.
- Swin: the same among its stages, whose channels come last.
- Vision transformers, which have a token per patch: the input of the last block. After that block
  the patch tokens have no influence on the class token.

Hooks and gradients belong to a copy that shares the weights, so other threads may use the
classifier at the same time.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torchvision.models import SwinTransformer, VisionTransformer

from common.errors import ModelError
from common.vision.network import HeadedNetwork
from common.vision.preprocessing import Preprocessing
from common.vision.served import Normalisation

if TYPE_CHECKING:
    from pytorch_grad_cam import GradCAM


class _Layer(NamedTuple):
    """The layer, and how its output becomes (n, channels, height, width)."""

    module: nn.Module
    to_map: Callable[[torch.Tensor], torch.Tensor] | None = None


class HeatmapMaker:
    """Makes heatmaps of a classifier, or of an ensemble: the mean over its members.

    Each thread needs its own.
    """

    def __init__(self, classifiers: Iterable[nn.Module], preprocessing: Preprocessing) -> None:
        """
        Raises:
            ModelError: the pictures are too small: no stage has more than one position.
        """
        self._members = [_grad_cam(classifier, preprocessing.size) for classifier in classifiers]
        self._normalised = Normalisation(preprocessing).to(self._members[0].device)

    def heatmaps(self, pictures: torch.Tensor, labels: Sequence[int]) -> NDArray[np.float32]:
        """How much each pixel of uint8 pictures (n, 3, size, size) supports its label.

        Returns:
            (n, size, size) in [0, 1].
        """
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        targets = [ClassifierOutputTarget(label) for label in labels]
        pixels = self._normalised(pictures.to(self._members[0].device))
        maps = [member(input_tensor=pixels, targets=targets) for member in self._members]
        mean: NDArray[np.float32] = np.mean(maps, axis=0, dtype=np.float32)
        return mean


def side_by_side(picture: torch.Tensor, heat: NDArray[np.float32]) -> Image.Image:
    """The picture, uint8 (3, height, width), and beside it the picture under its heatmap."""
    from pytorch_grad_cam.utils.image import show_cam_on_image

    pixels = picture.permute(1, 2, 0).numpy()
    overlay = show_cam_on_image(pixels.astype(np.float32) / 255, heat, use_rgb=True)
    return Image.fromarray(np.concatenate([pixels, overlay], axis=1))


def _grad_cam(classifier: nn.Module, size: int) -> "GradCAM":
    from pytorch_grad_cam import GradCAM  # slow to load: with matplotlib, scikit-learn and OpenCV

    own = _copy_sharing_weights(classifier).eval()
    blank = torch.zeros((1, 3, size, size), device=next(own.parameters()).device)
    layer = _layer(own, blank)
    layer.module.register_forward_hook(_begin_gradients)
    return GradCAM(model=own, target_layers=[layer.module], reshape_transform=layer.to_map)


def _copy_sharing_weights(classifier: nn.Module) -> nn.Module:
    """A copy of the modules with the same tensors, without gradients for weights."""
    weights = {id(each): nn.Parameter(each.detach(), False) for each in classifier.parameters()}
    return deepcopy(classifier, {**weights, **{id(each): each for each in classifier.buffers()}})


def _begin_gradients(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
    """Start gradients at the output of the layer, so that the layers before need none.

    The clone is for later layers that change their input in place.
    """
    return output.detach().requires_grad_().clone()


def _layer(classifier: nn.Module, pixels: torch.Tensor) -> _Layer:
    network: Any = classifier.encoder if isinstance(classifier, HeadedNetwork) else classifier
    if isinstance(network, VisionTransformer):
        return _Layer(network.encoder.layers[-1].ln_1, partial(_patches_to_map, others=1))
    if _is_transformer_of_timm(network):
        others = network.num_prefix_tokens
        return _Layer(network.blocks[-1].norm1, partial(_patches_to_map, others=others))
    if isinstance(network, SwinTransformer):
        stages = network.features.children()
        return _Layer(_last_with_places(network, stages, pixels, _channels_first), _channels_first)
    to_map = _channels_first if getattr(network, "output_fmt", "") == "NHWC" else _as_it_is
    return _Layer(_last_with_places(network, _stages(network), pixels, to_map), to_map)


def _is_transformer_of_timm(network: nn.Module) -> bool:
    """Told by its parts, since importing timm takes a second that other networks need not wait."""
    blocks = getattr(network, "blocks", None)
    has_tokens = hasattr(network, "num_prefix_tokens") and hasattr(network, "patch_embed")
    return has_tokens and isinstance(blocks, nn.Sequential) and hasattr(blocks[-1], "norm1")


def _stages(classifier: nn.Module) -> Iterator[nn.Module]:
    for part in classifier.children():
        if isinstance(part, nn.Sequential | nn.ModuleList):
            yield from part.children()
        else:
            yield part


def _last_with_places(
    network: nn.Module,
    stages: Iterator[nn.Module],
    pixels: torch.Tensor,
    to_map: Callable[[torch.Tensor], torch.Tensor],
) -> nn.Module:
    seen: list[nn.Module] = []

    def remember(module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            height, width = to_map(output).shape[2:]
            if height * width > 1:
                seen.append(module)

    hooks = [
        stage.register_forward_hook(remember)
        for stage in stages
        if not isinstance(stage, nn.AdaptiveAvgPool2d)  # its positions may be repeated
    ]
    try:
        with torch.inference_mode():
            network(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ModelError(f"Pictures of {pixels.shape[-1]} pixels are too small for a heatmap.")
    return seen[-1]


def _channels_first(output: torch.Tensor) -> torch.Tensor:
    return output.permute(0, 3, 1, 2)


def _as_it_is(output: torch.Tensor) -> torch.Tensor:
    return output


def _patches_to_map(tokens: torch.Tensor, others: int) -> torch.Tensor:
    """Tokens (n, others + patches, channels), such as the class token first, to a square map."""
    pictures, count, channels = tokens.shape
    side = math.isqrt(count - others)
    return tokens[:, others:].reshape(pictures, side, side, channels).permute(0, 3, 1, 2)
