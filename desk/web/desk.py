"""What all views of a desk process share."""

from dataclasses import dataclass

from sqlalchemy import Engine

from common.errors import EnrichmentError
from common.process.settings.desk import DeskSettings
from desk.pictures.thumbnails import Thumbnails
from desk.review.models import LoadedAnswers
from desk.web.door import Door


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The store, the settings, and the pictures that pages show; threads share one."""

    engine: Engine
    settings: DeskSettings
    door: Door
    thumbnails: Thumbnails
    answers: LoadedAnswers


class AskedAgainError(EnrichmentError):
    """A deed that is not done yet: the words are told on a page where it can be asked for again."""

    def __init__(self, words: str, *, page: str) -> None:
        super().__init__(words)
        self.page = page
