"""Folding batch norms into the convolutions before them: the same function in fewer steps."""

from collections import Counter
from copy import deepcopy

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from common.vision.model import Model, Predictor


def fused(model: Model) -> Predictor:
    """A copy of the predictor whose convolutions have swallowed their batch norms."""
    return Predictor([_fused(member) for member in model.predictor.members], model.description)


def _fused(member: nn.Module) -> nn.Module:
    try:
        traced = fx.symbolic_trace(deepcopy(member).eval())
    except (fx.proxy.TraceError, RuntimeError, TypeError):
        return deepcopy(member)  # its steps depend on the data; it stays as it is
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
