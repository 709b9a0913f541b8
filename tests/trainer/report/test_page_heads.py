"""The report on heads: no epochs, no heatmaps, and the labels that were not learned."""

from pathlib import Path

from rich.console import Console

from tests.trainer.embeddings import HEADS, embedded_pictures
from trainer.experiment import Experiment
from trainer.running.cross_validation import cross_validate_heads


def _report(folder: Path, *, drop_doubtful: bool = False) -> str:
    ready = embedded_pictures(folder / "pictures")
    experiment = Experiment(folder, "heads")
    settings = HEADS.changed(drop_doubtful=drop_doubtful)
    cross_validate_heads(
        ready.data, settings, experiment, Console(quiet=True), lambda data, how: ready
    )
    return (experiment.folder / "report.html").read_text()


def test_it_tells_of_strengths_and_the_encoder(tmp_path: Path) -> None:
    text = _report(tmp_path)
    assert "It is a head on the encoder tiny." in text
    assert "<dt>Encoder</dt><dd>tiny</dd>" in text
    assert "used for training like all others" in text
    for of_networks in ("Epochs", "Architecture", "the epoch whose weights", "Grad-CAM"):
        assert of_networks not in text


def test_a_fold_without_heatmaps_has_no_section_of_them(tmp_path: Path) -> None:
    text = _report(tmp_path)
    assert "heatmaps" not in text
    assert "The most confident mistakes" in text


def test_labels_that_were_not_learned_are_listed(tmp_path: Path) -> None:
    text = _report(tmp_path, drop_doubtful=True)
    assert "Tested, but left out of the training in at least one fold: " in text
    assert "left out of the training</dd>" in text
