"""What a model suggests for the pictures of documents, in the form that Annif answers in.

Annif knows `uri`, `label`, `notation` and `score`; what stands beside them, it ignores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from common.errors import RecordError
from common.process.settings.desk import DeskSettings
from common.store.tables import PictureChoice
from common.vision.answers.answering import Answering
from common.vision.answers.blocked import Blocks
from common.vision.bundle import Description
from desk.api.annif.asked_pictures import AskedPicture
from desk.api.annif.sight import Sight, SightedPicture
from desk.api.annif.suggested_concepts import (
    ConceptScore,
    ConceptTexts,
    PromisedShare,
    WhyNotWritten,
    scores_of,
    texts_of,
)
from desk.review.shown_models import LoadedHeads, ShownModel

MOST_PICTURES = 32  # of a request


@dataclass(frozen=True, kw_only=True)
class ConceptSuggestion:
    """A concept of a picture. `score` is the model's confidence, 0 to 1.

    `written`: whether a worker would write it. If not, `reason` says why. `promise` is there if it
    would be written and the model's promise holds for the data provider of the record.
    """

    uri: str
    label: str
    notation: str | None
    score: float
    written: bool
    reason: WhyNotWritten | None
    promise: PromisedShare | None


@dataclass(frozen=True, kw_only=True)
class PictureFailure:
    """Why a document has no suggestions; stages and reasons are those of failures in jobs."""

    stage: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class SuggestionAnswer:
    """The most probable concepts of a document's picture, the highest score first.

    If the document names no picture, or the picture is not available, `results` is empty and
    `failure` says why.
    """

    results: tuple[ConceptSuggestion, ...]
    failure: PictureFailure | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """At most `limit` concepts a picture, from the score `threshold`; languages best first."""

    limit: int = 10
    threshold: float = 0.0
    languages: tuple[str, ...] = ()


class Suggester:
    """Threads share one."""

    def __init__(self, engine: Engine, settings: DeskSettings, heads: LoadedHeads) -> None:
        self._engine = engine
        self._heads = heads
        self._sight = Sight(engine, settings)

    def close(self) -> None:
        """End what looks at pictures; no request may be in work."""
        self._sight.close()

    def suggest(
        self,
        model: ShownModel,
        asked: Sequence[AskedPicture | RecordError | None],
        wanted: Wanted,
    ) -> list[SuggestionAnswer]:
        """An answer for each document; None is one that names no picture, an error a malformed one.

        Raises:
            ModelError: a file of the model is missing or was changed, or the model gives other
                results than at promotion.
            DeviceError: the device fails.
        """
        answering = self._heads.of(model)
        sighted = self._sight.of(model, asked, choice=_usual_choice(answering.description))
        seen = [each for each in sighted if isinstance(each, SightedPicture)]
        results = iter(self._results(model, answering, seen, wanted) if seen else ())
        return [
            SuggestionAnswer(results=next(results))
            if isinstance(each, SightedPicture)
            else _failed(each)
            for each in sighted
        ]

    def _results(
        self,
        model: ShownModel,
        answering: Answering,
        seen: Sequence[SightedPicture],
        wanted: Wanted,
    ) -> list[tuple[ConceptSuggestion, ...]]:
        answers = answering.answers(np.stack([each.numbers for each in seen]))
        with self._engine.connect() as connection:
            blocks = Blocks.read(connection)
            scores = [
                scores_of(
                    answering.description,
                    answer,
                    blocks=blocks,
                    data_provider=each.data_provider,
                    limit=wanted.limit,
                    threshold=wanted.threshold,
                )
                for each, answer in zip(seen, answers, strict=True)
            ]
            uris = {score.uri for of_picture in scores for score in of_picture}
            texts = texts_of(connection, model.vocabulary_id, uris, languages=wanted.languages)
        return [tuple(_suggestion(score, texts[score.uri]) for score in each) for each in scores]


def _usual_choice(description: Description) -> PictureChoice:
    """The pictures that the model learned from, where they can be chosen; else what is there."""
    if description.picture_source == "thumbnail":
        return PictureChoice.THUMBNAIL
    return PictureChoice.AUTO


def _suggestion(score: ConceptScore, texts: ConceptTexts) -> ConceptSuggestion:
    return ConceptSuggestion(
        uri=score.uri,
        label=texts.label,
        notation=texts.notation,
        score=score.score,
        written=score.reason is None,
        reason=score.reason,
        promise=score.promise,
    )


def _failed(error: RecordError) -> SuggestionAnswer:
    failure = PictureFailure(stage=error.stage, reason=error.reason, detail=error.detail)
    return SuggestionAnswer(results=(), failure=failure)
