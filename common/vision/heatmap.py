"""Heatmaps: where a classifier looked, by Grad-CAM (Selvaraju et al., https://arxiv.org/abs/1610.02391).

At the size the classifier was trained with, for every architecture that ends in a feature map.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchvision.models import VisionTransformer

from common.errors import ModelError
from common.vision.preprocessing import Preprocessing


def has_heatmaps(classifier: nn.Module) -> bool:
    """Whether the architecture ends in a feature map, which Grad-CAM needs."""
    return not isinstance(classifier, VisionTransformer)


def heatmap(
    classifier: nn.Module, picture: torch.Tensor, preprocessing: Preprocessing, *, label: int
) -> NDArray[np.float32]:
    """How much each place of a uint8 picture (3, size, size) speaks for `label`.

    Returns:
        (size, size) in [0, 1].

    Raises:
        ModelError: the architecture has no feature map.
    """
    device = next(classifier.parameters()).device
    pixels = preprocessing.normalise(picture[None].to(device))
    classifier.eval()
    layer = _last_feature_map(classifier, pixels)
    with GradCAM(model=classifier, target_layers=[layer]) as grad_cam:
        maps = grad_cam(input_tensor=pixels, targets=[ClassifierOutputTarget(label)])
    return cast("NDArray[np.float32]", maps[0])


def save_heatmap(path: Path, picture: torch.Tensor, heat: NDArray[np.float32]) -> None:
    """Save the picture, and beside it the picture under its heatmap, as a PNG."""
    pixels = picture.permute(1, 2, 0).numpy()
    overlay = show_cam_on_image(pixels.astype(np.float32) / 255, heat, use_rgb=True)
    Image.fromarray(np.concatenate([pixels, overlay], axis=1)).save(path, format="PNG")


def _last_feature_map(classifier: nn.Module, pixels: torch.Tensor) -> nn.Module:
    """The last module whose output still has places: (1, channels, height, width)."""
    if not has_heatmaps(classifier):
        raise ModelError("Grad-CAM needs a feature map, and a vision transformer has none.")
    seen: list[nn.Module] = []

    def remember(module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            seen.append(module)

    hooks = [
        module.register_forward_hook(remember)
        for module in classifier.modules()
        if module is not classifier
    ]
    try:
        with torch.inference_mode():
            classifier(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return seen[-1]
