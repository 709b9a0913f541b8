"""A model as ONNX, preprocessing and ensemble inside: what OpenVINO and ONNX Runtime read.

An export takes up to a minute of a core, and gives the same for the same bundle and the same
PyTorch: so it is kept under both names. Nobody need trust what is kept, since a runtime that does
not agree with the model is refused.
"""

import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import structlog
import torch
from torch.onnx import OnnxExporterError

from common.errors import EnrichmentError, ModelError
from common.vision.model import Model
from common.vision.runtimes.fusion import fused

PICTURES = "pictures"  # the name of the input
GRAPH = "model.onnx"  # the weights lie beside it: a protobuf holds no more than 2 GB

log = structlog.get_logger()


def exported(model: Model, cache_dir: Path) -> Path:
    """The ONNX file of the model, made now unless it was made before.

    Raises:
        ModelError: PyTorch cannot export this architecture.
        EnrichmentError: `cache_dir` cannot be written.
    """

    def export(graph: Path) -> None:
        log.info("exporting the model to ONNX, once")
        _export(model, graph)

    return kept(cache_dir / f"{model.sha256}-torch-{torch.__version__}", export) / GRAPH


def kept(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, whose `GRAPH` is made now unless it was made before.

    Raises:
        EnrichmentError: it cannot be written.
    """
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
        try:
            make(unfinished / GRAPH)
            _publish(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise EnrichmentError(f"{folder.parent} cannot be written: {error.strerror}.") from None
    return folder


def _publish(finished: Path, folder: Path) -> None:
    """Whole or absent; where another process was faster, what it made stands."""
    try:
        finished.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _export(model: Model, path: Path) -> None:
    size = model.description.preprocessing.size
    example = torch.zeros((2, 3, size, size), dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)  # of torch about torch
            program = torch.onnx.export(
                fused(model),
                (example,),
                input_names=[PICTURES],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                dynamo=True,
                verbose=False,
            )
    except OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"PyTorch cannot export {model.description.architecture} to ONNX: {reason}"
        ) from None
    if program is not None:
        program.save(path, external_data=True)
