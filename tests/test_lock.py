"""The lock of versions, which Makefile, CI and images install by."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = (ROOT / "requirements.lock").read_text().splitlines()
PINS = [line.split("  #")[0].strip() for line in LINES if line and line[0] != "#"]
PINNED = {pin.name: str(pin.specifier).removeprefix("==") for pin in map(Requirement, PINS)}
VISION = PROJECT["optional-dependencies"]["vision"]
OF_THE_MACHINE = {"torch", "torchvision"}


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_what_an_extra_asks_for_is_pinned_within_its_range(extra: str | None) -> None:
    asked = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    wanted = {canonicalize_name(each.name): each.specifier for each in map(Requirement, asked)}
    unfit = [
        name
        for name in wanted.keys() - OF_THE_MACHINE - {PROJECT["name"]}
        if name not in PINNED or not wanted[name].contains(PINNED[name])
    ]
    assert not unfit, "pyproject.toml was changed after the lock: `make lock`"


def test_the_lock_says_names_and_versions_only() -> None:
    odd = [pin for pin in PINS if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w.'<>=!() ]+)?", pin)]
    assert not odd, "no option, host, path or hash has a place in the lock"
    assert not [line for line in LINES if "://" in line or " /" in line]


def test_every_package_has_one_version() -> None:
    assert len(PINS) == len(PINNED), "what CI tests is what every Python gets"


def test_the_lock_leaves_torch_and_cuda_to_the_machine() -> None:
    of_cuda = ("nvidia-", "cuda-", "cupy-", "triton")
    assert not [name for name in PINNED if name in OF_THE_MACHINE or name.startswith(of_cuda)]


@pytest.mark.parametrize("file", ["Makefile", "deploy/Dockerfile"])
def test_nothing_is_installed_without_the_lock(file: str) -> None:
    text = (ROOT / file).read_text().replace("$(LOCK)", "requirements.lock")
    installing = re.findall(r"^.*pip install .*$", text, re.MULTILINE)
    free = [line for line in installing if "--constraint requirements.lock" not in line]
    assert [line for line in free if not line.endswith("--upgrade pip")] == []
    assert len(installing) > len(free)


def test_the_images_pin_torch_and_the_cuda_of_its_build() -> None:
    lines = (ROOT / "deploy" / "torch.lock").read_text().splitlines()
    pins = {pin.name: pin.specifier for pin in map(Requirement, lines[1:])}
    assert pins.keys() == OF_THE_MACHINE | {"cuda-toolkit"}
    wanted = {each.name: each.specifier for each in map(Requirement, VISION)}
    for name in OF_THE_MACHINE:
        assert wanted[name].contains(str(pins[name]).removeprefix("=="))
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert dockerfile.count("pip install") == dockerfile.count("--constraint deploy/torch.lock")


def test_renovate_finds_the_lock_and_the_command_that_makes_it() -> None:
    (pattern,) = json.loads((ROOT / "renovate.json").read_text())["pip-compile"][
        "managerFilePatterns"
    ]
    assert re.search(pattern.strip("/"), "requirements.lock")
    command = "uv pip compile --output-file=requirements.lock pyproject.toml"
    assert LINES[1].removeprefix("#").strip() == command, "it knows few options: see [tool.uv.pip]"
