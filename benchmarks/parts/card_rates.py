"""How exact and how fast a runtime is on a card, against plain PyTorch and designs that are not
built.
"""

import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.parts.drawn_models import drawn_description
from common.vision.heatmap import HeatmapMaker
from common.vision.model import Model
from common.vision.network import build_classifier, last_layer
from common.vision.runtimes import TorchRuntime, choose_runtime
from common.vision.runtimes.choice import is_float16_refused
from common.vision.saved_model import save_bundle

SELF_TEST, HEATMAPS, WARM_UP = 16, 2, 3  # pictures, pictures, calls


def draw_bundle(folder: Path, architecture: str, size: int) -> str:
    """Write a classifier of random weights with a self-test of noise; returns its sha256."""
    torch.manual_seed(0)
    description = drawn_description(architecture, size)
    network = build_classifier(architecture, classes=len(description.labels), size=size)
    last = last_layer(network)[1]
    assert isinstance(last.weight, torch.Tensor)
    nn.init.normal_(last.weight, std=0.02)  # an untrained transformer has zeros here
    noise = torch.randint(0, 256, (SELF_TEST, 3, size, size), dtype=torch.uint8)
    return save_bundle(folder, description, [network.state_dict()], self_test=noise)


def precision(model: Model, device: torch.device, cache_dir: Path) -> dict[str, float]:
    """Differences of probabilities to those at promotion, and of heatmaps to those of the CPU."""
    runtime = choose_runtime(model, "torch", cache_dir=cache_dir, device=device)
    pictures = model.self_test_pictures
    rows = [runtime.rows(part) for part in torch.split(pictures, runtime.batch_size)]
    found = model.answers(np.concatenate(rows)).probabilities
    few, labels = pictures[:HEATMAPS], found[:HEATMAPS].argmax(axis=1).tolist()
    here, there = (
        HeatmapMaker(each.classifiers(), each.description.preprocessing).heatmaps(few, labels)
        for each in (model, replace(model, served=model.served.on(device)))
    )
    return {
        "probability_off": float(np.abs(found - model.self_test_expected).max()),
        "heatmap_off": float(np.abs(here - there).max()),
        "is_float16": float(not is_float16_refused(model.served, runtime)),
    }


def rates(model: Model, device: torch.device, seconds: float) -> dict[str, float]:
    """Pictures per second of our runtime, and its ratio to others; see `on_card`."""
    on_cuda, size = device.type == "cuda", model.served.size
    runtime = TorchRuntime(model.served, device, halves=on_cuda)
    pixels = torch.randint(0, 256, (runtime.batch_size, 3, size, size), dtype=torch.uint8)
    there = pixels.to(device).contiguous(memory_format=torch.channels_last)
    plain = deepcopy(model.served.network).to(device)

    def eager() -> None:
        with torch.autocast(device.type, dtype=torch.float16, enabled=on_cuda):
            plain(pixels.to(device)).cpu()

    def rate(call: Callable[[], object], threads: int = 1) -> float:
        return len(pixels) * _calls_a_second(call, threads, seconds)

    ours = rate(lambda: runtime.rows(pixels), runtime.streams)
    kept = rate(lambda: _wait(runtime._network(there)))
    figures = {"rate": ours, "times_eager": ours / rate(eager), "kept": kept / ours}
    if on_cuda:
        figures["graph"] = rate(_in_graph(runtime, there)) / kept
    return figures


@torch.inference_mode()
def _calls_a_second(call: Callable[[], object], threads: int, seconds: float) -> float:
    for _ in range(WARM_UP):
        call()
    counts = [0] * threads
    began = time.perf_counter()

    @torch.inference_mode()
    def repeat(thread: int) -> None:
        while not counts[thread] or time.perf_counter() < began + seconds:
            call()
            counts[thread] += 1

    started = [threading.Thread(target=repeat, args=(each,)) for each in range(threads)]
    for each in started:
        each.start()
    for each in started:
        each.join()
    return sum(counts) / (time.perf_counter() - began)


@torch.inference_mode()
def _in_graph(runtime: TorchRuntime, there: torch.Tensor) -> Callable[[], None]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        rows = runtime._network(there)

    def replay() -> None:
        graph.replay()
        _wait(rows)

    return replay


def _wait(rows: torch.Tensor) -> None:
    if rows.is_cuda:
        torch.cuda.synchronize(rows.device)
