"""The objects and errors that all views of a desk process share."""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Engine

from common.errors import EnrichmentError
from common.process.settings.desk import DeskSettings
from desk.pictures.thumbnails import Thumbnails
from desk.review.shown_models import LoadedHeads
from desk.web.door import Door

CONFIRMED = "confirmed"  # the field of a form that answers a question
NO = "no"  # the answer that stops the action


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The store, the settings, and the pictures that pages show; threads share one."""

    engine: Engine
    settings: DeskSettings
    door: Door
    thumbnails: Thumbnails
    heads: LoadedHeads


class AskedAgainError(EnrichmentError):
    """The action is not done. The page named by `page` shows the words, and has the form again."""

    def __init__(self, words: str, *, page: str) -> None:
        super().__init__(words)
        self.page = page


class UnconfirmedError(EnrichmentError):
    """An action that is hard to undo and waits for a yes. The form field `answer` is that yes."""

    def __init__(self, question: str, *, yes: str) -> None:
        super().__init__(question)
        self.yes = yes
        self.answer = sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:16]
