"""A served network as ONNX, with its preprocessing, for ONNX Runtime.

Batch norms are folded into the convolutions before them: the same function in fewer steps.

An export takes up to a minute of a core. It depends on the network and on PyTorch's version, so it
is cached under both. The cache need not be trusted: a runtime that disagrees is refused.
"""

import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import structlog
import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.onnx import OnnxExporterError

from common.errors import EnrichmentError, ModelError
from common.vision.served import Served, ServedNetwork

PICTURES = "pictures"  # the name of the input
GRAPH = "model.onnx"  # the weights lie beside it: a protobuf holds no more than 2 GB
log = structlog.get_logger()


def fused(network: ServedNetwork) -> ServedNetwork:
    return network.with_members([_fused(member) for member in network.members])


def _fused(member: nn.Module) -> nn.Module:
    try:
        traced = fx.symbolic_trace(deepcopy(member).eval())
    except (fx.proxy.TraceError, RuntimeError, TypeError):
        return deepcopy(member)  # its control flow depends on the data, so it is not changed
    modules = dict(traced.named_modules())
    calls = Counter(node.target for node in traced.graph.nodes)
    for node in list(traced.graph.nodes):
        norm, before = modules.get(str(node.target)), node.args[0] if node.args else None
        if not isinstance(norm, nn.BatchNorm2d) or not isinstance(before, fx.Node):
            continue
        convolution = modules.get(str(before.target))
        once = calls[before.target] == 1 and len(before.users) == 1
        if isinstance(convolution, nn.Conv2d) and once:
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


def exported(served: Served, cache_dir: Path) -> Path:
    """The ONNX file of the network, from the cache or made now.

    Raises:
        ModelError: PyTorch cannot export this architecture.
        EnrichmentError: `cache_dir` cannot be written.
    """

    def export(graph: Path) -> None:
        log.info("exporting the network to ONNX, once")
        _export(served, graph)

    return _kept(cache_dir / f"{served.sha256}-torch-{torch.__version__}", export) / GRAPH


def _kept(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, whose `GRAPH` is made now if the folder is missing.

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
        raise EnrichmentError(f"{folder.parent} cannot be written: {error.strerror}.") from error
    return folder


def _publish(finished: Path, folder: Path) -> None:
    try:
        finished.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _export(served: Served, path: Path) -> None:
    example = torch.zeros((2, 3, served.size, served.size), dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)  # of torch about torch
            program = torch.onnx.export(
                fused(served.network),
                (example,),
                input_names=[PICTURES],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                dynamo=True,
                verbose=False,
            )
    except OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"PyTorch cannot export {served.title} to ONNX: {reason}") from error
    if program is not None:
        program.save(path, external_data=True)
