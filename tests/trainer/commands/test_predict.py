"""`trainer predict`: what a model says of pictures."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.trainer.bundles import LABELS, SIZE, bundle, describe
from tests.trainer.pictures import VOCABULARY, draw
from trainer.cli import app


def run(model: Path, *more: Path | str) -> Result:
    return CliRunner().invoke(app, ["predict", str(model), *map(str, more)])


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three large maps."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        draw("map", number, size=90).save(path)
    return paths


def test_every_category_has_a_probability_and_passes_or_not(
    tmp_path: Path, pictures: list[Path]
) -> None:
    model = bundle(tmp_path / "m", describe(threshold=0.25))
    result = run(model, *pictures, "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["image"] for line in lines] == [str(path) for path in pictures]
    for line in lines:
        found = line["categories"]
        assert {each["label"] for each in found} == set(LABELS)
        assert sum(each["probability"] for each in found) == pytest.approx(1, abs=1e-4)
        assert found == sorted(found, key=lambda each: -each["probability"])
        for each in found:
            assert each["concept"] == VOCABULARY[each["label"]]
            reached = each["threshold"] is not None and each["probability"] >= each["threshold"]
            assert each["passes"] == reached
    assert not any(each["passes"] for each in lines[0]["categories"] if each["label"] == "textile")


def test_the_lines_for_people_say_what_is_switched_off(
    tmp_path: Path, pictures: list[Path]
) -> None:
    result = run(bundle(tmp_path / "m"), pictures[0])
    assert result.exit_code == 0
    (textile,) = [line for line in result.stdout.splitlines() if "textile" in line]
    assert "switched off" in textile
    assert result.stdout.count("✓") == 2


def test_an_unreadable_picture_does_not_stop_the_others(
    tmp_path: Path, pictures: list[Path]
) -> None:
    pictures[1].write_bytes(b"no picture")
    model = bundle(tmp_path / "m")
    result = run(model, *pictures, tmp_path / "gone.jpg", "--json")
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["error"] is not None for line in lines] == [False, True, False, True]
    assert "WARNING: Pictures that cannot be read: 2 of 4." in result.stderr
    assert "no such file" in lines[3]["error"]
    plain = run(model, *pictures)
    assert plain.exit_code == 1
    assert f"{pictures[1]}: " in plain.stdout
    assert "Traceback" not in plain.output


def test_heatmaps_show_the_picture_beside_where_the_model_looked(
    tmp_path: Path, pictures: list[Path]
) -> None:
    folder = tmp_path / "looked" / "at"
    result = run(bundle(tmp_path / "m"), *pictures[:2], "--heatmap", str(folder))
    assert result.exit_code == 0, result.output
    saved = sorted(folder.iterdir())
    assert [path.name for path in saved] == ["0000_0.png", "0001_1.png"]
    with Image.open(saved[0]) as image:
        assert image.size == (2 * SIZE, SIZE)


def test_a_folder_without_a_bundle_is_a_message(tmp_path: Path, pictures: list[Path]) -> None:
    model = bundle(tmp_path / "m")
    (model / "model.json").write_text("{")
    result = run(model, pictures[0])
    assert result.exit_code == 1
    assert "model.json is damaged" in result.stderr
