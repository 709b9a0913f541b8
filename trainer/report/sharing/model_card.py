"""The card of a shared model: README.md, with the front matter of the Hugging Face Hub.

https://huggingface.co/docs/hub/model-cards
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from common.store.teaching.certificates import StandingCertificate
from common.vision.answers.promise import percent
from common.vision.bundle import Description
from common.vision.encoders.licences import warning_about
from trainer.report.sharing.shared_folder import EXAMPLE, VOCABULARY_FILE, SharedModel

HUB_LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0"),
        *("cc-by-sa-4.0", "cc-by-nc-4.0", "eupl-1.2", "gpl-3.0", "openrail"),
    )
)  # by the names that the hub knows; each other one is `other`
MOST_LISTED = 200  # data providers


def card(shared: SharedModel, certificates: Sequence[StandingCertificate], licence: str) -> str:
    """The text of the card.

    Args:
        licence: of the weights; empty if unknown.
    """
    return "".join(f"{line}\n" for line in _lines(shared, certificates, licence))


def _lines(
    shared: SharedModel, certificates: Sequence[StandingCertificate], licence: str
) -> Iterator[str]:
    model = shared.model
    yield from _front_matter(licence, model)
    yield f"# {shared.title}"
    yield ""
    many = "several concepts" if model.kind == "multi" else "one concept"
    yield "The model says which kind of cultural heritage object a picture shows:"
    yield f"{many} of {len(model.labels)}, each a `skos:Concept`."
    yield "It was made for records of Europeana."
    yield from ("", "## Concepts", "")
    yield "| concept | URI | written from |"
    yield "|---|---|---|"
    for label, uri in zip(model.labels, model.concept_uris, strict=True):
        threshold = model.thresholds[uri]
        yield f"| {_cell(label)} | {uri} | {'off' if threshold is None else f'{threshold:.3f}'} |"
    yield from ("", "## Training data", "")
    for name, value in model.created_from.items():
        yield f"- {_cell(name)}: {_cell(value)}"
    yield f"- pictures: {model.picture_source}"
    yield from _accuracy(model, certificates)
    yield from _limits(shared)
    yield from _licences(shared, licence)
    yield from _use()


def _front_matter(licence: str, model: Description) -> Iterator[str]:
    yield "---"
    yield f"license: {licence.lower() if licence.lower() in HUB_LICENCES else 'other'}"
    if licence.lower() not in HUB_LICENCES:
        yield f"license_name: {json.dumps(licence or 'unknown')}"
    yield "library_name: onnx"
    yield "pipeline_tag: image-classification"
    yield "tags:"
    for tag in ("image-classification", "cultural-heritage", "europeana", "skos", "onnx"):
        yield f"- {tag}"
    if model.kind == "multi":
        yield "- multi-label"
    yield "---"
    yield ""


def _accuracy(model: Description, certificates: Sequence[StandingCertificate]) -> Iterator[str]:
    yield from ("", "## Accuracy", "")
    if model.promise is None:
        yield "No accuracy was measured."
    else:
        said, promise = model.promise.said, model.promise
        yield f"Measured on {said.pictures:,} pictures ({promise.measured_on})."
        yield f"{said.written:,} got a concept."
        yield f"{said.unlike:,} were too different from the training pictures."
        yield ""
        yield from promise.in_words()
        yield from ("", "| data provider | pictures in the test | precision of each concept |")
        yield "|---|---|---|"
        named = sorted(promise.providers.items(), key=lambda each: (-each[1], each[0]))
        for provider, pictures in named[:MOST_LISTED]:
            least = f"at least {percent(promise.precision)}"
            yield f"| {_cell(provider)} | {pictures:,} | {least} |"
    if certificates:
        yield from ("", "Certificates, each of an audit of a random sample:", "")
        yield from (f"- {each}" for each in certificates)
    yield ""
    yield "These figures hold for the store where the model was trained. In another store it"
    yield "promises nothing until it is audited there."


def _limits(shared: SharedModel) -> Iterator[str]:
    yield from ("", "## Abstention and limits", "")
    if shared.least_likeness is None:
        yield "- The model never abstains. It also writes concepts for pictures that are too"
        yield "  different from the training pictures."
    else:
        yield "- A picture that is too different from the training pictures gets no concept: its"
        yield f"  likeness is below {shared.least_likeness:.3f}."
    yield f"- The rule: {shared.model.rule}."
    yield "- It knows only the concepts above. A picture of something else may get one of them."
    yield "- For a new museum, the accuracy is usually lower than for those of the training."


def _licences(shared: SharedModel, licence: str) -> Iterator[str]:
    yield from ("", "## Licences", "")
    yield f"- Weights: {_cell(licence) or 'unknown'}. {warning_about(licence)}".rstrip()
    if shared.encoder:
        of_encoder = shared.encoder.licence
        yield f"- Encoder: {_cell(shared.encoder.name)} ({_cell(shared.model.architecture)})."
        yield f"  Licence: {_cell(of_encoder) or 'unknown'}. {warning_about(of_encoder)}".rstrip()
    yield "- The training pictures are not part of this folder. Their rights are those that"
    yield "  Europeana states for each record."


def _use() -> Iterator[str]:
    yield from ("", "## How to use it", "")
    yield f"`{EXAMPLE}` needs numpy, Pillow and onnxruntime only:"
    yield from ("", "```console", "pip install numpy pillow onnxruntime", f"python {EXAMPLE} a.jpg")
    yield from ("```", "")
    yield f"`{VOCABULARY_FILE}` has the labels of the concepts by language, in SKOS."
    yield "With Europeana's image enrichment: `trainer models import FOLDER --name NAME`."


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")[:300]
