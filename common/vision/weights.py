"""Weights from files that may be anything: ordinary tensors, or a sentence that says why not.

Code in a weight file is never run. The readers of damaged files raise
errors of any type, so one place turns all of them into ours.
"""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from common.errors import ModelError
from common.files import open_regular

StateDict = dict[str, torch.Tensor]

_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
_SAVE = "save the weights with torch.save(network.state_dict(), FILE)"
_SHOWN = 200  # characters of what a reader says, or of a name


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a .safetensors file or a PyTorch checkpoint.

    Raises:
        ModelError: the file is missing, damaged, or holds anything but ordinary tensors.
    """
    if path.suffix != ".safetensors":
        return checked(unpickled(path), source=str(path))
    with _explaining(str(path)), open_regular(path):
        found = safetensors.torch.load_file(path)
    return checked(found, source=str(path))


def unpickled(path: Path) -> Any:
    """What `torch.save` wrote, on the CPU.

    Raises:
        ModelError: the file is missing or damaged, or holds objects of other classes.
    """
    with _explaining(str(path)), open_regular(path) as stream:
        return torch.load(stream, map_location="cpu", weights_only=True)


def parsed(data: bytes, *, source: str) -> StateDict:
    """The tensors in the bytes of a .safetensors file, which `source` names in messages.

    Raises:
        ModelError: the bytes are damaged, or hold anything but ordinary tensors.
    """
    with _explaining(source):
        found = safetensors.torch.load(data)
    return checked(found, source=source)


def checked(found: object, *, source: str) -> StateDict:
    """What was read, if it is ordinary tensors by name.

    Raises:
        ModelError: it is anything else, such as quantised or sparse tensors.
    """
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ModelError(
            f"{source} is not a plain state dict, which has names as keys and "
            f"tensors as values; {_SAVE}."
        )
    for name, tensor in found.items():
        if not isinstance(tensor, torch.Tensor):
            raise ModelError(
                f"{source} is not a plain state dict, which has names as keys and tensors as "
                f"values; {_SAVE}."
            )
        if not _is_ordinary(tensor):
            raise ModelError(
                f"{source} cannot be used: {name[:_SHOWN]} is not an ordinary tensor: it may "
                f"be sparse, quantised or without numbers; {_SAVE}, in float32."
            )
    return found


def fill(network: nn.Module, tensors: StateDict, *, source: str) -> None:
    """Give a network tensors in the shapes of some or all of its own.

    Raises:
        ModelError: whole numbers stand where weights should, or numbers are not finite.
    """
    for name, own in network.state_dict().items():
        if name in tensors and own.is_floating_point() != tensors[name].is_floating_point():
            kind = "whole" if own.is_floating_point() else "fractional"
            raise ModelError(f"{source} cannot be used: {name} contains {kind} numbers.")
    network.load_state_dict(tensors, strict=False)
    for name, own in network.state_dict().items():  # float64 may be finite, and float32 no more
        if name in tensors and not own.isfinite().all():
            raise ModelError(f"{source} cannot be used: {name} has numbers that are not finite.")


def _is_ordinary(tensor: torch.Tensor) -> bool:
    return (
        not tensor.is_nested
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and tensor.dtype in (*_FLOATS, *_INTEGERS)
    )


@contextmanager
def _explaining(source: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual files; an error follows, or none need
            yield
    except FileNotFoundError as error:
        raise ModelError(f"There is no weight file {source}.") from error
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror or error}.") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{source} is not a plain state dict: it is damaged, or it contains pickled objects, "
            f"which may run code and were not loaded. Copy the file again, or {_SAVE}."
        ) from error
    except Exception as error:  # the readers trust a file's form: they raise errors of any type
        first, *_ = [*str(error).splitlines(), ""]
        reason = ": ".join(filter(None, (type(error).__name__, first[:_SHOWN])))
        raise ModelError(
            f"{source} cannot be read as weights ({reason}). Copy the file again, or {_SAVE}."
        ) from error
