"""Training of one fold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from common.errors import EnrichmentError, ModelError
from common.vision.network import build_classifier
from tests.trainer.pictures import draw
from trainer.data.split import Fold
from trainer.learning.fit import FoldData, _train_one_epoch, predict_logits, train_fold
from trainer.learning.optimisation import Objective
from trainer.learning.training_state import Epoch, TrainingState
from trainer.running.fold import explaining_memory
from trainer.settings import TrainingSettings

SETTINGS = TrainingSettings(
    architecture="shufflenet_v2_x0_5", input_size=32, epochs=3, batch_size=8, folds=2
)
WITH_EVERYTHING = SETTINGS.changed(
    head_epochs=1,
    lowest_rate=0.1,
    start_scale=0.75,
    mixup=0.2,
    ema=0.8,
    class_weights="sqrt",
)
CPU = torch.device("cpu")


@pytest.fixture
def data() -> FoldData:
    """40 pictures of two categories: 20 for training, 10 for validation, 10 for the test."""
    labels = torch.tensor([0, 1] * 20)
    pictures = [
        SETTINGS.preprocessing.to_uint8(draw(("map", "toy")[label], seed))
        for seed, label in enumerate(labels.tolist())
    ]
    fold = Fold(
        number=0,
        training=np.arange(20),
        validation=np.arange(20, 30),
        test=np.arange(30, 40),
    )
    targets = torch.nn.functional.one_hot(labels).float()
    return FoldData(pictures=torch.stack(pictures), targets=targets, kind="single", fold=fold)


def _train(data: FoldData, folder: Path, settings: TrainingSettings = SETTINGS) -> TrainingState:
    epochs: list[Epoch] = []
    state = train_fold(
        data, settings, device=CPU, resume=folder / "resume.pth", on_epoch=epochs.append
    )
    assert epochs == state.history
    return state


def test_the_same_seed_gives_the_same_numbers(data: FoldData, tmp_path: Path) -> None:
    settings = WITH_EVERYTHING
    one, same = (_train(data, tmp_path / name, settings).history for name in ("one", "same"))
    other = _train(data, tmp_path / "other", settings.changed(seed=1)).history
    assert one == same
    assert one != other


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_resumed_training_ends_with_the_same_numbers(
    data: FoldData, tmp_path: Path, killed_after: int
) -> None:
    undisturbed = _train(data, tmp_path / "undisturbed", WITH_EVERYTHING)

    def kill(epoch: Epoch) -> None:
        if epoch.number == killed_after:
            raise _KilledError

    resume = tmp_path / "killed" / "resume.pth"
    with pytest.raises(_KilledError):
        train_fold(data, WITH_EVERYTHING, device=CPU, resume=resume, on_epoch=kill)
    assert resume.exists()
    resumed = _train(data, tmp_path / "killed", WITH_EVERYTHING)
    assert resumed.history == undisturbed.history
    assert len(resumed.history) == 4  # one of the head, three of everything
    for name, tensor in undisturbed.best.items():
        assert torch.equal(resumed.best[name], tensor), name


def test_the_best_weights_are_kept_and_training_stops_by_patience(
    data: FoldData, tmp_path: Path
) -> None:
    settings = SETTINGS.changed(epochs=30, patience=2, learning_rate=0.02)
    state = _train(data, tmp_path, settings)
    assert len(state.history) == state.best_epoch.number + 2 < 30
    logits = predict_logits(state.classifier, data.pictures, data.fold.validation, settings)
    loss = torch.nn.functional.cross_entropy(logits, data.targets[20:30]).item()
    assert loss == pytest.approx(state.best_epoch.validation_loss, rel=1e-4)


def test_predictions_are_made_in_evaluation_mode_and_none_is_dropped(data: FoldData) -> None:
    classifier = build_classifier("shufflenet_v2_x0_5", classes=2).train()
    together = predict_logits(classifier, data.pictures, np.arange(33), SETTINGS)
    one_by_one = [
        predict_logits(classifier, data.pictures, np.array([i]), SETTINGS) for i in range(33)
    ]
    # In training mode batch norm would mix the pictures of a batch.
    assert together.shape == (33, 2)
    torch.testing.assert_close(together, torch.cat(one_by_one), rtol=1e-3, atol=1e-5)


def test_the_training_part_is_seen_in_training_mode(data: FoldData, tmp_path: Path) -> None:
    start = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    state = _train(data, tmp_path, SETTINGS.changed(epochs=1))
    counted = state.best["conv1.1.num_batches_tracked"]
    assert counted == start["conv1.1.num_batches_tracked"] + 3  # 20 pictures by 8


def test_a_rare_category_gains_by_class_weights(data: FoldData, tmp_path: Path) -> None:
    rare = np.array([1, *range(0, 20, 2)])  # one toy among ten maps
    unbalanced = replace(data, fold=replace(data.fold, training=np.tile(rare, 4)))
    settings = SETTINGS.changed(epochs=4, image_augmentation=0.0, patience=4)

    def leaning_to_toys(settings: TrainingSettings, folder: str) -> float:
        state = _train(unbalanced, tmp_path / folder, settings)
        toys = predict_logits(state.classifier, data.pictures, np.arange(1, 40, 2), settings)
        return float((toys[:, 1] - toys[:, 0]).mean())

    weighted = leaning_to_toys(settings.changed(class_weights="inverse"), "weighted")
    assert weighted > leaning_to_toys(settings, "unweighted")


def test_a_picture_may_have_several_categories_or_none(data: FoldData, tmp_path: Path) -> None:
    several = torch.stack([data.targets[:, 0], torch.ones(40), torch.zeros(40)], dim=1)
    settings = SETTINGS.changed(kind="multi", learning_rate=0.01)
    state = _train(replace(data, targets=several, kind="multi"), tmp_path, settings)
    logits = predict_logits(state.classifier, data.pictures, data.fold.validation, settings)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, several[20:30]).item()
    assert loss == pytest.approx(state.best_epoch.validation_loss, rel=1e-4)
    assert (logits[:, 1] > 0).all()
    assert (logits[:, 2] < 0).all()


def test_the_head_learns_first_on_the_features_of_the_given_weights(
    data: FoldData, tmp_path: Path
) -> None:
    given = build_classifier("shufflenet_v2_x0_5", classes=5).state_dict()
    torch.save(given, tmp_path / "given.pth")
    settings = SETTINGS.changed(weights=str(tmp_path / "given.pth"), head_epochs=2, epochs=1)
    states = []

    def look(epoch: Epoch) -> None:
        states.append(torch.load(tmp_path / "resume.pth", weights_only=True)["classifier"])

    train_fold(data, settings, device=CPU, resume=tmp_path / "resume.pth", on_epoch=look)
    after_one = states[0]
    assert not torch.equal(after_one["fc.weight"], given["fc.weight"][:2])
    features = {name for name in given if not name.startswith("fc.")}
    assert all(torch.equal(after_one[name], given[name]) for name in features)


def test_the_head_alone_learns_as_long_as_it_gets_better(data: FoldData, tmp_path: Path) -> None:
    given = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    torch.save(given, tmp_path / "given.pth")
    settings = SETTINGS.changed(
        weights=str(tmp_path / "given.pth"), head_epochs=5, epochs=0, patience=2
    )
    state = _train(data, tmp_path / "whole", settings)
    assert len(state.history) == 5
    learned = state.classifier.state_dict()
    features = {name for name in given if not name.startswith("fc.")}
    assert all(torch.equal(learned[name], given[name]) for name in features)
    hasty = _train(data, tmp_path / "hasty", settings.changed(patience=1, learning_rate=1.0))
    assert len(hasty.history) == hasty.best_epoch.number + 1 < 5


def test_a_loss_that_is_no_number_is_an_error_and_leaves_no_checkpoint(
    data: FoldData, tmp_path: Path
) -> None:
    weights = build_classifier("shufflenet_v2_x0_5", classes=2).state_dict()
    weights["conv1.0.weight"].fill_(3e38)  # its products are infinite
    torch.save(weights, tmp_path / "huge.pth")
    with pytest.raises(EnrichmentError, match=r"not a number.*--learning-rate"):
        _train(data, tmp_path, SETTINGS.changed(weights=str(tmp_path / "huge.pth")))
    assert not (tmp_path / "resume.pth").exists()


def test_weights_for_another_architecture_are_refused(data: FoldData, tmp_path: Path) -> None:
    torch.save(build_classifier("mobilenet_v2", classes=2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ModelError, match="another architecture"):
        _train(data, tmp_path, SETTINGS.changed(weights=str(tmp_path / "other.pth")))


def test_too_large_batches_are_a_message_that_names_the_option(
    data: FoldData, tmp_path: Path
) -> None:
    side = 1 << 16  # pixels: 20,000 such pictures are more than any address space holds
    many = replace(
        data,
        pictures=torch.zeros(1, dtype=torch.uint8).expand(20_000, 3, side, side),
        targets=data.targets[:1].expand(20_000, 2),
        fold=replace(data.fold, training=np.arange(20_000)),
    )
    settings = SETTINGS.changed(input_size=side, batch_size=20_000)
    with (
        pytest.raises(EnrichmentError, match=r"memory of cpu .*--batch-size"),
        explaining_memory(settings, CPU),
    ):
        _train(many, tmp_path, settings)


def test_the_device_too_says_in_words_that_its_memory_is_full() -> None:
    with (
        pytest.raises(EnrichmentError, match=r"memory of cuda .* 8 pictures .*--batch-size"),
        explaining_memory(SETTINGS, torch.device("cuda")),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with (
        pytest.raises(RuntimeError, match="something else"),
        explaining_memory(SETTINGS, torch.device("cuda")),
    ):
        raise RuntimeError("something else")


class _Copies(TorchDispatchMode):
    """Counts copies to the stand-in for a card that somebody waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.blocking: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return 0.0  # the loss of the epoch, asked for once at its end
        found = function(*args, **(kwargs or {}))
        tensors = [each for each in args if isinstance(each, torch.Tensor)]
        if function is torch.ops.aten._to_copy.default:
            came = not tensors[0].is_meta and found.is_meta
            if came and not (kwargs or {}).get("non_blocking"):
                self.blocking.append(f"{function} {tuple(found.shape)}")
        return found


def test_no_step_of_a_training_waits_for_a_copy_to_the_device(data: FoldData) -> None:
    card = torch.device("meta")  # stands in for one
    classifier = build_classifier("resnet18", classes=2).to(card)
    groups = [{"params": [each], "share": 1} for each in classifier.parameters()]
    state = TrainingState(
        classifier=classifier,
        optimizer=torch.optim.SGD(groups, lr=0.1),
    )
    settings = SETTINGS.changed(architecture="resnet18", mixup=0.2, head_epochs=0)
    objective = Objective.of(data.targets, "single", "none").to(card)
    with _Copies() as few:
        _train_one_epoch(state, data, settings, 1, objective)
    longer = replace(data, fold=replace(data.fold, training=np.arange(40)))
    with _Copies() as many:
        _train_one_epoch(state, longer, settings, 1, objective)
    assert many.blocking == few.blocking  # twice as many steps
