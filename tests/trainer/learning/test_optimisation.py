"""How weights change, which of them, and how fast."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from common.vision.network import LoadedWeights, build_classifier
from trainer.learning.optimisation import (
    STAGES,
    Phase,
    average_of,
    build_optimizer,
    head_of,
    learning_rate,
    set_rate,
    train_mode,
)
from trainer.settings import TrainingSettings

HEAD = {"fc.weight", "fc.bias"}


@pytest.fixture
def classifier() -> nn.Module:
    """A small one with batch norm."""
    return build_classifier("shufflenet_v2_x0_5", classes=2)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate(step, 100, highest=0.1) for step in range(100)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.001


def test_an_epoch_belongs_to_the_head_to_small_pictures_or_to_the_rest() -> None:
    settings = TrainingSettings(head_epochs=1, epochs=5, start_scale=0.5, input_size=128)
    phases = [Phase.of(number, settings) for number in range(1, 7)]
    assert [phase.head_only for phase in phases] == [True, *[False] * 5]
    assert [phase.size for phase in phases] == [64, 64, 64, 128, 128, 128]
    assert [(phase.done, phase.epochs) for phase in phases[:3]] == [(0, 1), (0, 5), (1, 5)]
    # Each step of the training has a rise and a fall of its own.
    ends = [phases[0].learning_rate(99, 100, settings), phases[-1].learning_rate(99, 100, settings)]
    assert max(ends) < 0.001 * settings.learning_rate
    assert phases[1].learning_rate(25, 100, settings) == settings.learning_rate


@pytest.mark.parametrize("architecture", ["shufflenet_v2_x0_5", "mobilenet_v2", "squeezenet1_1"])
def test_the_head_is_what_starts_new_or_else_the_last_layer(architecture: str) -> None:
    classifier = build_classifier(architecture, classes=2)
    names = tuple(name for name, _ in classifier.named_parameters())
    assert head_of(classifier, None) == set(names[-2:])
    partly = LoadedWeights(loaded=names[:-4], missing=names[-4:], unexpected=())
    assert head_of(classifier, partly) == set(names[-4:])
    wholly = LoadedWeights(loaded=names, missing=(), unexpected=())
    assert head_of(classifier, wholly) == set(names[-2:])


def test_lower_layers_learn_more_gently(classifier: nn.Module) -> None:
    optimizer = build_optimizer(classifier, HEAD, TrainingSettings(lowest_rate=0.01))
    set_rate(optimizer, 0.5)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert len(rates) == STAGES + 1
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(0.005)
    assert rates[-1] == 0.5
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert grouped == [id(p) for p in classifier.parameters()]


def test_features_stay_as_they_are_while_the_head_learns(classifier: nn.Module) -> None:
    optimizer = build_optimizer(classifier, HEAD, TrainingSettings())
    train_mode(classifier, optimizer, head_only=True)
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    _step(classifier, optimizer)
    after = classifier.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == HEAD
    train_mode(classifier, optimizer, head_only=False)
    _step(classifier, optimizer)
    after = classifier.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name, _ in _weights(classifier))
    assert after["conv1.1.num_batches_tracked"] == before["conv1.1.num_batches_tracked"] + 1


def test_the_average_follows_weights_and_batch_norm_statistics(classifier: nn.Module) -> None:
    average = average_of(classifier, 0.9)
    assert type(average) is AveragedModel  # as the library documents it
    name = "conv1.1.running_mean"
    for value in (1.0, 2.0):
        nn.init.constant_(classifier.state_dict()[name], value)
        average.update_parameters(classifier)
    # The first update copies, the second moves a tenth of the way.
    assert average.module.state_dict()[name].mean().item() == pytest.approx(1.1)
    assert average_of(classifier, 0.0) is None


def _step(classifier: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    set_rate(optimizer, 0.01)
    torch.manual_seed(0)
    optimizer.zero_grad()
    classifier(torch.randn(8, 3, 32, 32)).square().sum().backward()
    optimizer.step()


def _weights(classifier: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return list(classifier.named_parameters())
