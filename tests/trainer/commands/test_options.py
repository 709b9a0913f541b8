"""Options that are made from the training settings."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from trainer.commands.options import experiments_in, help_of, with_training_settings
from trainer.commands.train import train
from trainer.settings import TrainingSettings, option_of

OPTIONS = {
    *("--mode", "--group-by", "--arch", "--weights", "--input-size", "--resize", "--start-scale"),
    *("--img-aug", "--mixup", "--folds", "--head-epochs", "--epochs", "--patience", "--batch-size"),
    *("--learning-rate", "--lowest-rate", "--class-weights", "--label-smoothing", "--ema"),
    *("--seed", "--encoder", "--drop-doubtful"),
}
OTHERS = {
    *("--dataset", "--data-dir", "--experiment-name", "--saving-dir", "--recipe", "--devices"),
    *("--queue", "--verdicts", "--vocab-json", "--lang", "--json"),
}


def _command(function: Any) -> Any:
    app = typer.Typer()
    app.command()(function)
    return typer.main.get_command(app)


def test_all_options_of_a_training_are_there() -> None:
    options = {option for each in _command(train).params for option in each.opts}
    assert options - {"--install-completion", "--show-completion"} == OPTIONS | OTHERS
    assert {option_of(name) for name in TrainingSettings.model_fields} - {""} == OPTIONS


def test_a_command_is_given_what_was_typed_and_nothing_else() -> None:
    found: list[dict[str, Any]] = []

    @with_training_settings
    def command(*, given: dict[str, Any]) -> None:
        found.append(given)

    app = typer.Typer()
    app.command()(command)
    assert CliRunner().invoke(app, []).exit_code == 0
    typed = ["--folds", "3", "--img-aug", "0", "--mode", "multi"]
    assert CliRunner().invoke(app, typed).exit_code == 0
    assert found == [{}, {"kind": "multi", "image_augmentation": 0.0, "folds": 3}]
    assert CliRunner().invoke(app, ["--mode", "several"]).exit_code == 2


def test_help_says_range_and_the_default_of_each_recipe() -> None:
    assert help_of("epochs").endswith(" 0 or more. Default: 100; fine-tune 8.")
    assert help_of("folds").endswith(" 2 or more. Default: 10.")
    assert help_of("start_scale").endswith(" More than 0, at most 1. Default: 1.0; fine-tune 0.67.")
    assert help_of("weights").endswith("Default: none.")
    assert help_of("encoder").endswith("Default: none.")
    assert help_of("drop_doubtful").endswith("Default: no.")


def test_the_experiments_are_where_enrichment_toml_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXPERIMENT_DIR", raising=False)
    assert experiments_in(None) == Path("experiments")
    (tmp_path / "enrichment.toml").write_text('experiment_dir = "runs"\n')
    assert experiments_in(None) == tmp_path / "runs"
    monkeypatch.setenv("EXPERIMENT_DIR", "elsewhere")
    assert experiments_in(None) == Path("elsewhere")
    assert experiments_in(Path("here")) == Path("here")
