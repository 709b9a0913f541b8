"""The example beside a shared model: a program of its own, which needs nothing of this project."""

from common.vision.preprocessing import Preprocessing

_PROGRAM = '''\
"""What the model writes for pictures: python example.py picture.jpg"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

HERE = Path(__file__).parent
SHARED = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
MODEL, SESSION = SHARED["model"], onnxruntime.InferenceSession(HERE / "model.onnx")


def concepts(path):
    """URIs of the concepts that the model writes, with their probabilities."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    picture = {resized}
    batch = np.asarray(picture).transpose(2, 0, 1)[np.newaxis]
    (probabilities,), (likeness,) = SESSION.run(None, {{"pictures": batch}})
    if SHARED["least_likeness"] is not None and likeness < SHARED["least_likeness"]:
        return {{}}  # too different from the training pictures
    given = [MODEL["thresholds"][uri] for uri in MODEL["concept_uris"]]
    lowest = np.array([2 if t is None else max(t, MODEL["rule"]["floor"]) for t in given], "f4")
    written = probabilities >= lowest
    if MODEL["rule"]["concepts"] == "most probable":
        written &= np.arange(len(written)) == probabilities.argmax()
    return {{MODEL["concept_uris"][i]: float(probabilities[i]) for i in np.flatnonzero(written)}}


if __name__ == "__main__":
    print(json.dumps({{path: concepts(path) for path in sys.argv[1:]}}, indent=1))
'''


def example_for(how: Preprocessing) -> str:
    """The text of `example.py` for a model whose pictures are prepared in this way."""
    size, by = f"({how.size}, {how.size})", f"Image.Resampling.{how.interpolation.upper()}"
    resized = {
        "squash": f"picture.resize({size}, {by})",
        "letterbox": f"ImageOps.pad(picture, {size}, {by})",
        "crop": f"ImageOps.fit(picture, {size}, {by}, bleed={(1 - how.kept) / 2:g})",
    }
    return _PROGRAM.format(resized=resized[how.resize])
