"""What would be promoted is what is promoted."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import ModelError
from common.vision.kinds import Kind
from tests.trainer.experiments import copied
from tests.trainer.finished_heads import PROVIDERS
from trainer.experiment import Experiment
from trainer.models.promote import propose
from trainer.models.proposal import Terms
from trainer.models.prospect import prospect_of
from trainer.scoring.thresholds import effects


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_of_networks_it_is_the_proposal_of_the_best_fold(
    finished: dict[Kind, Experiment], tmp_path: Path, kind: Kind
) -> None:
    experiment = finished[kind]
    prospect = prospect_of(experiment)
    assert prospect is not None
    assert not prospect.is_ensemble
    expected = propose(
        experiment, Terms(), fold=None, ensemble=False, judged_on=None, model_dir=tmp_path
    )
    assert prospect.proposal.description == expected.description
    assert prospect.proposal.outlooks == expected.outlooks


def test_of_heads_it_is_all_folds_together(heads_by_provider: Experiment) -> None:
    prospect = prospect_of(heads_by_provider)
    assert prospect is not None
    assert prospect.is_ensemble
    description = prospect.proposal.description
    assert description.created_from["folds"] == [0, 1, 2]
    assert set(prospect.proposal.promise.providers) == set(PROVIDERS)
    assert prospect.proposal.promise.measured_on == "own pictures"
    assert "left-out providers" in description.created_from["new_providers"]
    found = effects(description, prospect.written, prospect.judged.targets)
    assert found == pytest.approx(prospect.proposal.effects, nan_ok=True)
    assert sum(each.written for each in found.values()) > 200


def test_a_curve_goes_through_its_threshold(heads_by_provider: Experiment) -> None:
    prospect = prospect_of(heads_by_provider)
    assert prospect is not None
    for label, curve in prospect.curves().items():
        effect = prospect.proposal.effects[label]
        assert effect.threshold is not None
        points = np.stack([curve.found, curve.precision])
        chosen = np.array([[effect.found], [effect.precision]])
        assert np.abs(points - chosen).max(axis=0).min() < 1e-9


def test_an_older_experiment_has_none(finished: dict[Kind, Experiment], tmp_path: Path) -> None:
    experiment = copied(finished["single"], tmp_path)
    (experiment.split(1) / "evidence.safetensors").unlink()
    assert prospect_of(experiment) is None


def test_a_damaged_one_is_said(finished: dict[Kind, Experiment], tmp_path: Path) -> None:
    experiment = copied(finished["single"], tmp_path)
    (experiment.split(1) / "evidence.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="split_1/evidence.safetensors"):
        prospect_of(experiment)
