"""What a real browser makes of the headers: forms, cookies, the way to the provider and back."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from common.process.settings.desk import AccessSettings
from desk.access.cookies import Cookies
from desk.access.csrf import FIELD, check_request, word_for
from desk.access.headers import Guard
from desk.access.identity import BACK, IdentityProvider
from tests.desk.visiting import visiting

LOGIN = """
<title>Login</title><form method=post action=/action><input name={field} value={word}>
<button>Send</button></form><a href=/away>Elsewhere</a><script>document.title = "ran"</script>
"""


class SmallDesk:
    """A form, an action, and a login elsewhere; `heard` has the headers of what browsers sent."""

    def __init__(self, issuer: str) -> None:
        secret = SecretStr("secret")
        self.settings = AccessSettings(
            oidc_issuer=issuer, oidc_client_id="desk", oidc_client_secret=secret
        )
        self.cookies = Cookies.of(is_https=False)
        self.provider = IdentityProvider(self.settings)
        self.heard: dict[str, str] = {}

    def form(self, _: Request) -> Response:
        page = HTMLResponse(LOGIN.format(field=FIELD, word=word_for("cookie")))
        self.cookies.form.give(page, "cookie")
        return page

    async def action(self, request: Request) -> Response:
        self.heard = dict(request.headers)
        sent = str((await request.form())[FIELD])
        word = word_for(self.cookies.form.read(request) or "")
        check_request(request.headers, origin=self.origin(request), word=word, sent=sent)
        return RedirectResponse("/done", 303)

    def done(self, _: Request) -> Response:
        return HTMLResponse("<p id=done>Done</p>")

    def away(self, request: Request) -> Response:
        departure = self.provider.begin(origin=self.origin(request))
        answer = RedirectResponse(departure.address, 303)
        self.cookies.departure.give(answer, departure.cookie)
        return answer

    def back(self, request: Request) -> Response:
        cookie = self.cookies.departure.read(request)
        answer = dict(request.query_params)
        found = self.provider.finish(origin=self.origin(request), cookie=cookie, answer=answer)
        return HTMLResponse(f"<p id=done>{found.subject}</p>")

    def origin(self, request: Request) -> str:
        return self.settings.origin_for(request.headers["host"])

    @contextmanager
    def served(self) -> Iterator[str]:
        routes = [
            Route("/", self.form),
            Route("/action", self.action, methods=["POST"]),
            Route("/done", self.done),
            Route("/away", self.away),
            Route(BACK, self.back),
        ]
        app = Guard(Starlette(routes=routes), settings=self.settings)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def desk(issuer: str) -> SmallDesk:
    return SmallDesk(issuer)


def test_a_form_says_where_it_is_from_and_scripts_in_pages_do_not_run(
    desk: SmallDesk, browser: Browser
) -> None:
    with desk.served() as address, visiting(browser) as visit:
        visit.page.goto(address)
        assert visit.page.title() == "Login"
        assert visit.page.evaluate("document.cookie") == ""
        visit.page.click("button")
        assert visit.page.text_content("#done") == "Done"
    assert desk.heard["origin"] == address
    assert desk.heard["sec-fetch-site"] == "same-origin"
    assert len(visit.problems) == 1
    assert "script" in visit.problems[0]


def test_another_site_cannot_send_the_form(desk: SmallDesk, browser: Browser) -> None:
    other = SmallDesk(desk.settings.oidc_issuer or "")
    with desk.served() as address, other.served() as elsewhere, visiting(browser) as visit:
        visit.page.goto(address)  # its cookie is there, and is for the other port too
        forged = FORGED % address
        visit.page.route(
            f"{elsewhere}/forged",
            lambda route: route.fulfill(body=forged, content_type="text/html"),
        )
        visit.page.goto(f"{elsewhere}/forged")
        with visit.page.expect_response(f"{address}/action") as told:
            visit.page.click("button")
        assert told.value.status == 500  # of this small desk, for ForgedRequestError
    assert desk.heard["origin"] == elsewhere
    assert "desk-form=cookie" in desk.heard["cookie"]


FORGED = (
    f"<form method=post action=%s/action><input name={FIELD} value={word_for('cookie')}><button>"
)


def test_a_person_goes_to_the_provider_by_a_link_and_comes_back(
    desk: SmallDesk, browser: Browser
) -> None:
    with desk.served() as address, visiting(browser) as visit:
        visit.page.route("https://**", lambda route: route.abort())  # what the provider's page asks
        visit.page.goto(address)
        visit.page.click("a")
        visit.page.fill("input[name=sub]", "s-9")
        visit.page.get_by_role("button", name="Authorize", exact=True).click()
        assert visit.page.text_content("#done") == "s-9"
