"""What all views of a desk process share."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Engine

from common.errors import EnrichmentError
from common.process.settings.desk import DeskSettings
from desk.pictures.thumbnails import Thumbnails
from desk.review.shown_models import LoadedHeads
from desk.web.door import Door

CONFIRMED = "confirmed"  # the field of a form by which a question was answered
NO = "no"  # and this answer


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The store, the settings, and the pictures that pages show; threads share one."""

    engine: Engine
    settings: DeskSettings
    door: Door
    thumbnails: Thumbnails
    heads: LoadedHeads


class AskedAgainError(EnrichmentError):
    """An action that is not done yet; a page tells the words, where it can be asked for again."""

    def __init__(self, words: str, *, page: str) -> None:
        super().__init__(words)
        self.page = page


class UnconfirmedError(EnrichmentError):
    """An action that is hard to undo, before somebody said yes, which `answer` does."""

    def __init__(self, question: str, *, yes: str) -> None:
        super().__init__(question)
        self.yes = yes
        self.answer = sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:16]
