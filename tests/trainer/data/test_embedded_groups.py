"""Near-duplicates of data with embeddings."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.process.terminal.console import SafeConsole
from common.vision.answers.heads import halved
from tests.trainer.embeddings import embedded_pictures
from trainer.data.embedded import EmbeddedData, group_embedded


def test_pictures_and_embeddings_both_tell_near_duplicates(tmp_path: Path) -> None:
    ready = embedded_pictures(tmp_path / "pictures")
    examples = list(ready.data.examples)
    shutil.copy(examples[0].path, tmp_path / "copy.png")
    examples[9] = replace(examples[9], path=tmp_path / "copy.png")
    vectors = ready.embeddings.copy()
    vectors[20] = vectors[3]
    unlike = EmbeddedData(data=replace(ready.data, examples=tuple(examples)), embeddings=vectors)
    groups = group_embedded(unlike, tmp_path / "cache", SafeConsole(quiet=True))
    assert groups[0] == groups[9]
    assert groups[3] == groups[20]
    assert groups[0] != groups[3]


def test_a_picture_that_is_gone_is_grouped_by_its_embedding(tmp_path: Path) -> None:
    ready = embedded_pictures(tmp_path / "pictures")
    vectors = ready.embeddings.copy()
    vectors[7] = vectors[4]
    ready.data.examples[7].path.unlink()
    groups = group_embedded(
        replace(ready, embeddings=vectors), tmp_path / "cache", SafeConsole(quiet=True)
    )
    assert groups.shape == (35,)
    assert groups[7] == groups[4]
    assert len(np.unique(groups)) > 20


def test_embeddings_do_not_help_where_different_pictures_are_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = embedded_pictures(tmp_path / "pictures")
    cone = halved(ready.embeddings.astype(np.float32) + 10)
    groups = group_embedded(replace(ready, embeddings=cone), tmp_path / "cache", SafeConsole())
    assert "found only by their hash" in " ".join(capsys.readouterr().out.split())
    assert len(np.unique(groups)) > 20
