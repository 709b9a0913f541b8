"""One step by a team, against the same step by one process.

`torchrun -m tests.trainer.learning.one_step`


In float64, where rounding cannot hide a wrong weight: prints the largest differences.
"""

import torch
from torch import nn

from common.vision.model import Kind
from common.vision.network import build_classifier
from trainer.learning import distributed
from trainer.learning.optimisation import Objective

PICTURES, CLASSES = 9, 3  # two processes have five and four of them


def step(kind: Kind, *, together: bool) -> tuple[nn.Module, torch.Tensor]:
    """A classifier with the gradients of one batch, and the loss of the whole batch."""
    torch.manual_seed(0)
    pictures = torch.randn(PICTURES, 3, 64, 64)
    targets = (torch.rand(PICTURES, CLASSES) < 0.4).double()
    if kind == "single":
        targets = torch.eye(CLASSES)[torch.arange(PICTURES) ** 2 % 3]
    classifier = build_classifier("resnet18", classes=CLASSES).train()
    objective = Objective.of(targets, kind, "inverse")
    if not together:
        loss = objective.loss(classifier(pictures), targets, smoothing=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        return classifier, loss.detach()
    classifier = distributed.of_team(classifier)
    own = distributed.own_share(targets)
    averaging = distributed.averaging(classifier)  # for as long as it lives
    loss = objective.loss(averaging(distributed.own_share(pictures)), own, smoothing=0.1)
    (loss * distributed.size() * len(own) / PICTURES).backward()
    return classifier, distributed.added_up(loss.detach() * len(own)) / PICTURES


def difference(kind: Kind) -> float:
    """The largest between any number of the team and that of one process."""
    one, loss = step(kind, together=False)
    team, team_loss = step(kind, together=True)
    pairs = [(loss, team_loss), *zip(one.buffers(), team.buffers(), strict=True)]
    for mine, theirs in zip(one.parameters(), team.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        pairs.append((mine.grad, theirs.grad))
    return max((a.double() - b.double()).abs().max().item() for a, b in pairs)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    with distributed.joined():
        found = {"single": difference("single"), "multi": difference("multi")}
        rows = distributed.divided(lambda own: torch.from_numpy(own) * 2, torch.arange(5).numpy())
        assert rows.tolist() == [0, 2, 4, 6, 8]
        if distributed.is_leader():
            print(distributed.size(), max(found.values()))  # noqa: T201 - read by a test
