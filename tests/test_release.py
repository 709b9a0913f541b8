"""What a release is made of: a heading in the changelog, a tag, and a version that follows it."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HEADINGS = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_changelog_goes_by_release_newest_first() -> None:
    assert HEADINGS[0] == "Unreleased"
    releases = [re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d", each) for each in HEADINGS[1:]]
    versions = [Version(each[1]) for each in releases if each]
    assert len(versions) == len(HEADINGS) - 1
    assert versions == sorted(set(versions), reverse=True)


def test_a_checkout_without_tags_has_the_version_of_the_last_release() -> None:
    assert "version" in PYPROJECT["project"]["dynamic"]
    fallback = Version(PYPROJECT["tool"]["setuptools_scm"]["fallback_version"])
    assert fallback.public == HEADINGS[1].split()[0]


def test_what_is_installed_knows_its_version() -> None:
    assert Version(version("europeana-image-enrichment")) >= Version("0.1.0")


def test_an_image_is_told_its_version() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    of_us = PYPROJECT["project"]["name"].upper().replace("-", "_")
    assert f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{of_us}=$VERSION\n" in dockerfile
