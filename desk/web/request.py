"""What a view is asked: the request, who made it, and what the form says."""

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
    """A request, and who made it; `form` is empty for pages.

    `mistake` is what is wrong with the form, where its page is shown again.
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
        """What somebody wrote into a field of the form that was sent, sign by sign; else empty."""
        value = (self.form or self.request.query_params).get(name, "")
        return "" if isinstance(value, UploadFile) else value

    def query(self, name: str) -> str:
        """A part of the address after the question mark; empty if it is not there."""
        return self.request.query_params.get(name, "").strip()

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def field(self, name: str) -> str:
        value = self.form.get(name, "")
        return "" if isinstance(value, UploadFile) else value.strip()

    def fields(self, name: str) -> list[str]:
        return [each for each in self.form.getlist(name) if isinstance(each, str)]

    def check_sender(self) -> None:
        """End what takes long, if nobody waits for it any more.

        Raises:
            EnrichmentError: who sent the form has left.
        """
        if getattr(self.request.state, "has_left", False):
            raise EnrichmentError("Whoever sent the form has left, and nothing was done.")

    def confirm(self, question: str, *, yes: str, back: str) -> None:
        """Go on if somebody said yes to this question; else ask it before anything is done.

        The page that asks sends the same form again. If what the question says has changed
        meanwhile, it is asked anew.

        Args:
            question: what is about to happen, in a sentence or two.
            yes: the words of the button.
            back: the page that who says no goes back to, if the route has no form to show again.

        Raises:
            UnconfirmedError: nobody has said yes.
            AskedAgainError: somebody said no.
        """
        if self.field(CONFIRMED) == NO:
            raise AskedAgainError("Nothing was done.", page=back)
        error = UnconfirmedError(question, yes=yes)
        if self.field(CONFIRMED) != error.answer:
            raise error

    def may(self, role: Role) -> bool:
        return self.user.may(role)

    @property
    def wants_json(self) -> bool:
        """Whether a script asks, not a person."""
        return "application/json" in self.request.headers.get("accept", "")
