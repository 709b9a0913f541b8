"""What a classifier can be asked for: the words of settings, descriptions and options.

This module loads no torch, so that commands can name these words in their help.
"""

from typing import Literal

Kind = Literal["single", "multi"]
"""Whether a picture has exactly one category, or any number of them."""

TrainingPictures = Literal["thumbnail", "media", "mixed", "folder"]
"""The pictures of a training: Europeana's thumbnails, the providers' files, or a folder."""

ResizeMode = Literal["squash", "letterbox", "crop"]
"""How a picture becomes square: without its aspect ratio, with black bars, or cut."""

Interpolation = Literal["bilinear", "bicubic"]
"""How pixels between pixels are found when a picture is resized."""
