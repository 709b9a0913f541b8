"""What a model knows: kept with it, checked with it, and recognised."""

import hashlib
from pathlib import Path

import pytest

from common.errors import ModelError
from common.vision.answers.familiar_pictures import FamiliarPictures, read_known
from common.vision.bundle import read_description
from common.vision.saved_model import bundle_sha256, load_bundle
from tests.trainer.bundles import bundle

FILES = [hashlib.sha256(name).hexdigest() for name in (b"one", b"two", b"three")]
KNOWN = FamiliarPictures.of(["/1/a", "/1/b"], FILES[:2])


def saved(folder: Path, known: FamiliarPictures | None = KNOWN) -> Path:
    return bundle(folder / "m", known=known)


def read(folder: Path) -> FamiliarPictures | None:
    return read_known(folder, read_description(folder, bundle_sha256(folder)))


def test_records_and_files_are_recognised(tmp_path: Path) -> None:
    known = read(saved(tmp_path))
    assert known is not None
    assert len(known) == 2
    assert known.has_records(["/1/b", "/1/c", "/1/a"]).tolist() == [True, False, True]
    assert known.has_files(reversed(FILES)).tolist() == [False, True, True]


def test_those_of_two_trainings_are_joined() -> None:
    both = KNOWN.joined(FamiliarPictures.of(["/1/b", "/1/c"], FILES[2:]))
    assert len(both) == 3
    assert both.has_records(["/1/a", "/1/c"]).all()
    assert both.has_files(FILES).all()


def test_a_model_without_a_list_says_so(tmp_path: Path) -> None:
    assert read(saved(tmp_path, None)) is None
    assert not FamiliarPictures.of([], []).has_records(["/1/a"]).any()


def test_a_changed_list_is_noticed_when_the_model_is_loaded(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    file = folder / "known_pictures.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match="not the file that was saved"):
        load_bundle(folder, bundle_sha256(folder))
