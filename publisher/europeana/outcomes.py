"""What is certain after a request that did not succeed."""

from common.errors import EnrichmentError


class NotWrittenError(EnrichmentError):
    """Europeana did not take the request, and may take it after `seconds`, if it names some."""

    def __init__(self, message: str, *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class UnknownOutcomeError(EnrichmentError):
    """No answer came, so the request may have been carried out or not."""


class RejectedError(EnrichmentError):
    """Europeana does not take this annotation; `duplicates` are the URIs of those that say it."""

    def __init__(self, message: str, *, duplicates: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.duplicates = duplicates
