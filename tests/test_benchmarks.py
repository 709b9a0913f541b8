"""The benchmark that waits for a card runs without one."""

import json
import os
import subprocess
import sys
from math import isfinite
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def on_card(*arguments: str) -> dict[str, Any]:
    """What `benchmarks.on_card` prints where no card is seen."""
    command = [sys.executable, "-m", "benchmarks.on_card", *arguments]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return printed


def test_without_a_card_nothing_is_measured_and_no_bar_is_missed() -> None:
    printed = on_card()
    assert printed["figures"] == {"skipped": "there is no card; --smoke runs on the CPU"}


@pytest.mark.timeout(600)
def test_all_of_it_but_graphs_runs_on_the_cpu() -> None:
    printed = on_card("--smoke")
    assert printed["bars"] == {}
    figures = printed["figures"]
    assert figures.pop("card") == "none"
    assert {"busy_4", "times_plain_loop", "one_process_at_most"} <= figures.keys()
    kinds = {name.split("_shufflenet")[0] for name in figures if "_shufflenet" in name}
    exact = {"probability_off", "heatmap_off", "is_float16"}
    assert kinds == exact | {"rate", "times_eager", "kept"}
    assert all(isfinite(value) for value in figures.values())
    assert figures["probability_off_shufflenet_v2_x0_5"] < 1e-4
