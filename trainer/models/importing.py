"""Import: make a model from a foreign checkpoint, without trusting it.

The checkpoints of the 2021 pilot are state dicts whose names begin with `net.`. Beside them lies a
`class_index.json` that maps each output to its label. The pilot's networks end in softmax, which
has no weights, so the state dict gives the logits.

A promise needs evidence: labelled pictures that the checkpoint was not trained on. Without them
every concept is switched off.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from sqlalchemy import Engine

from common.errors import ModelError, UsageError
from common.vision.answers.rule import Rule
from common.vision.bundle import Description
from common.vision.model import served_classifier
from common.vision.network import build_classifier, load_state
from common.vision.preprocessing import Preprocessing
from common.vision.runtimes import TorchRuntime
from common.vision.served import Served
from common.vision.weights import StateDict, read_state_dict
from trainer.data.dataset import TrainingData
from trainer.data.device import own_device
from trainer.models.example_pictures import example_pictures, no_pictures
from trainer.models.judged import JudgedPredictions
from trainer.models.promote import promote
from trainer.models.proposal import Proposal, Terms, propose_judged
from trainer.models.store import Promoted
from trainer.scoring.calibration import at_temperature, fit_temperature
from trainer.scoring.evaluate import classify_data
from trainer.settings import checked_name

_CLASS_INDEX = TypeAdapter(dict[str, str])


@dataclass(frozen=True, kw_only=True)
class ForeignCheckpoint:
    """Foreign weights that fit the architecture, with their labels and preprocessing."""

    architecture: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    weights: StateDict
    source: str


def read_checkpoint(
    path: Path, class_index: Path, *, architecture: str, preprocessing: Preprocessing
) -> ForeignCheckpoint:
    """A state dict that fits the architecture completely. Code in the file is never run.

    Raises:
        UsageError: no such architecture, or the class index is damaged.
        ModelError: the file is not a state dict, or has other classes or another architecture.
    """
    labels = _read_class_index(class_index)
    classifier = build_classifier(architecture, classes=len(labels), size=preprocessing.size)
    found = load_state(classifier, read_state_dict(path), source=str(path))
    if found.missing or found.unexpected:
        raise ModelError(
            f"{path} does not fit {architecture} with the {len(labels)} classes of {class_index}; "
            f"tensors that differ: {', '.join((*found.missing, *found.unexpected)[:4])}."
        )
    return ForeignCheckpoint(
        architecture=architecture,
        labels=labels,
        preprocessing=preprocessing,
        weights=classifier.state_dict(),
        source=str(path),
    )


def import_checkpoint(
    checkpoint: ForeignCheckpoint,
    vocabulary: dict[str, str],
    data: TrainingData | None,
    *,
    name: str,
    terms: Terms,
    model_dir: Path,
    engine: Engine,
) -> tuple[Proposal, Promoted]:
    """Add a checkpoint to the models of the store, as a candidate.

    Args:
        vocabulary: label to concept URI, with all labels of the checkpoint.
        data: labelled pictures that the temperature and thresholds are chosen on. If None, the
            temperature is 1 and every concept is switched off.

    Raises:
        UsageError: a label has no concept.
        DatasetError: the data has no picture, or categories that the checkpoint does not have.
    """
    checked_name(name, of="a model")
    blank = _blank(checkpoint, vocabulary, terms)
    proposal = (
        _untuned(checkpoint, blank) if data is None else _tuned(checkpoint, blank, data, terms)
    )
    return proposal, promote(proposal, name=name, model_dir=model_dir, engine=engine)


def _blank(checkpoint: ForeignCheckpoint, vocabulary: dict[str, str], terms: Terms) -> Description:
    unknown = [label for label in checkpoint.labels if label not in vocabulary]
    if unknown:
        raise UsageError(f"The vocabulary has no concept for {', '.join(unknown)}.")
    uris = tuple(vocabulary[label] for label in checkpoint.labels)
    return Description(
        architecture=checkpoint.architecture,
        labels=checkpoint.labels,
        concept_uris=uris,
        preprocessing=checkpoint.preprocessing,
        kind="single",
        temperature=1.0,
        thresholds=dict.fromkeys(uris),
        rule=Rule.of("single", terms.floor),
        picture_source="mixed",
        created_from={"checkpoint": checkpoint.source},
    )


def _untuned(checkpoint: ForeignCheckpoint, blank: Description) -> Proposal:
    return Proposal(
        description=blank,
        members=[checkpoint.weights],
        likeness=None,
        self_test=no_pictures(blank.preprocessing),
        known=None,
        effects={},
        outlooks={},
    )


def _tuned(
    checkpoint: ForeignCheckpoint, blank: Description, data: TrainingData, terms: Terms
) -> Proposal:
    """Choose temperature and thresholds by the checkpoint's predictions for the data.

    It never abstains, since its training pictures are unknown.
    """
    runtime = TorchRuntime(_in_memory(checkpoint, blank), own_device())
    found = classify_data(blank, data, runtime.rows, batch_size=runtime.batch_size)
    rows, targets = np.stack(found.predictions), found.targets
    temperature = fit_temperature(rows, targets, blank.kind)
    judged = JudgedPredictions(
        probabilities=at_temperature(rows, temperature, blank.kind),
        targets=targets,
        unlike=np.zeros(len(targets), dtype=np.bool_),
        temperature=temperature,
        likeness=None,
    )
    self_test = example_pictures(
        [example.path for example in found.data.examples],
        targets,
        blank.preprocessing,
        held_out=np.ones(len(targets), dtype=np.bool_),
    )
    origin = {"chosen_on": data.source, "pictures": len(targets)}
    described = replace(
        blank, picture_source=data.picture_source, created_from=blank.created_from | origin
    )
    return propose_judged(
        described,
        [checkpoint.weights],
        judged,
        terms,
        self_test,
        known=found.data.as_known(),
        providers=found.data.providers,
        measured_on="other pictures",
    )


def _in_memory(checkpoint: ForeignCheckpoint, description: Description) -> Served:
    size, classes = description.preprocessing.size, len(description.labels)
    classifier = build_classifier(description.architecture, classes=classes, size=size)
    classifier.load_state_dict(checkpoint.weights)
    return served_classifier([classifier], description, sha256="")


def _read_class_index(path: Path) -> tuple[str, ...]:
    """The labels in the order of the outputs."""
    try:
        index = _CLASS_INDEX.validate_json(path.read_bytes())
        if set(index) != set(map(str, range(len(index)))):
            raise ValueError("its keys are not 0, 1, 2, ...")
        labels = tuple(index[str(output)] for output in range(len(index)))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(
            f'{path} is not a class index; it must look like {{"0": "label", "1": "label", ...}}.'
        ) from error
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise UsageError(f"{path} needs at least two labels, and no label twice.")
    return labels
