"""The request as a view gets it: with the account and the form."""

from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from common.errors import EnrichmentError, UsageError
from common.store.tables import Role
from desk.access.sessions import LoggedIn
from desk.web.desk import CONFIRMED, NO, AskedAgainError, Desk, UnconfirmedError
from desk.web.responses import told_in


@dataclass(frozen=True, kw_only=True)
class DeskRequest:
    """A request and its account. `form` is empty for pages.

    `mistake` is set when a page shows its form again because the form was refused.
    """

    request: Request
    desk: Desk
    user: LoggedIn
    form: FormData
    mistake: UsageError | None = None

    @property
    def told(self) -> str:
        return told_in(self.request, self.user.csrf)

    def filled(self, name: str) -> str:
        """The exact text in a field of the form that was sent; empty if there is none."""
        value = (self.form or self.request.query_params).get(name, "")
        return "" if isinstance(value, UploadFile) else value

    def query(self, name: str) -> str:
        """A parameter of the address; empty if it is missing."""
        return self.request.query_params.get(name, "").strip()

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def field(self, name: str) -> str:
        value = self.form.get(name, "")
        return "" if isinstance(value, UploadFile) else value.strip()

    def fields(self, name: str) -> list[str]:
        return [each for each in self.form.getlist(name) if isinstance(each, str)]

    def check_sender(self) -> None:
        """Stop long work if the browser no longer waits for it.

        Raises:
            EnrichmentError: the browser disconnected.
        """
        if getattr(self.request.state, "has_left", False):
            raise EnrichmentError("The browser disconnected, so the desk did not act.")

    def confirm(self, question: str, *, yes: str, back: str) -> None:
        """Return if the person said yes to this question; else ask it first.

        The page that asks sends the same form again. If the text of the question has changed by
        then, the desk asks again.

        Args:
            question: what is about to happen, in a sentence or two.
            yes: the words of the button.
            back: the page to return to after a no, if the route has no form to show again.

        Raises:
            UnconfirmedError: the question has no answer yet.
            AskedAgainError: the answer is no.
        """
        if self.field(CONFIRMED) == NO:
            raise AskedAgainError("Cancelled. The desk did not act.", page=back)
        error = UnconfirmedError(question, yes=yes)
        if self.field(CONFIRMED) != error.answer:
            raise error

    def may(self, role: Role) -> bool:
        return self.user.may(role)

    @property
    def wants_json(self) -> bool:
        """Whether a script made the request."""
        return "application/json" in self.request.headers.get("accept", "")
