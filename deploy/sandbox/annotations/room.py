"""The Annotation API and its Auth Service put together: paths, checks of a write, controls.

A writing request is first counted, and refused if there are too many in a second (429). Then come
the faults, then the checks of its token (401), of its client's role (403) and of the lock (423).
Another process sees what stands, and steers the API, over HTTP:

    GET  /sandbox/annotations                 what stands, counts, the most writes in a second
    POST /sandbox/annotations/lock?seconds=N  423 for so long; 0 unlocks
    POST /sandbox/annotations/end-tokens
"""

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from aiohttp import web

from deploy.sandbox.annotations.api import AnnotationApi, WriteHandler
from deploy.sandbox.annotations.forms import invalid
from deploy.sandbox.annotations.pace import WritePace
from deploy.sandbox.annotations.store import AnnotationStore, StoredAnnotation
from deploy.sandbox.annotations.tokens import TOKEN_PATH, ApiClient, AuthService
from deploy.sandbox.api.keys import Handler, KeyedHandler
from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.faults import AnnotationFaults
from deploy.sandbox.hosts.misbehaviour import Misbehaviour

ONE = r"/annotation/{number:\d+}"
OTHER_USER = "http://data.europeana.eu/user/moderator"


class SandboxAnnotations:
    """The annotations of a running sandbox, for tests: you can call the methods from any thread."""

    def __init__(
        self,
        clients: Sequence[ApiClient],
        faults: AnnotationFaults,
        misbehaviour: Misbehaviour,
        first: int = 1,
    ) -> None:
        self.pace = WritePace(faults.writes_a_second)
        self._faults = faults
        self._misbehaviour = misbehaviour
        self._store = AnnotationStore(first)
        self._auth = AuthService(clients, faults.token_seconds)
        self._locked_until = 0.0

    @property
    def created(self) -> int:
        """How many annotations were ever created."""
        return self._store.created

    @property
    def deleted(self) -> int:
        """How many annotations are deleted now."""
        return self._store.deleted

    def standing(self) -> list[StoredAnnotation]:
        """All annotations that are not deleted, found by searches or not; by number."""
        return self._store.standing()

    def lock(self, seconds: float = math.inf) -> None:
        """Writing requests are refused with 423 for so long."""
        self._locked_until = time.monotonic() + seconds

    def unlock(self) -> None:
        self._locked_until = 0.0

    def end_tokens(self) -> None:
        """Ends all tokens now."""
        self._auth.end_tokens()

    def delete(self, number: int) -> None:
        """Deletes an annotation, as an admin would; a KeyError if there is none."""
        self._store.change(number, deleted=datetime.now(UTC))

    def report(self, number: int, user: str = OTHER_USER) -> None:
        """Reports an annotation, as another user would; a KeyError if there is none."""
        self._store.report(number, user)

    def add_routes(
        self, router: web.UrlDispatcher, guarded: Callable[[KeyedHandler], Handler]
    ) -> None:
        """Adds all paths; `guarded` puts a reading handler behind the check of its key."""
        api = AnnotationApi(self._store, self._faults.index_seconds)
        router.add_post(TOKEN_PATH, self._token)
        for path, read in (
            ("/annotation/search", api.search),
            ("/annotations/deleted", api.deleted),
            (f"{ONE}/moderationsummary", api.moderation_summary),
            (ONE, api.read),
        ):
            router.add_get(path, guarded(read))
        for method, path, write in (
            ("POST", "/annotation/", api.create),
            ("POST", "/annotations/", api.create_batch),
            ("POST", f"{ONE}/report", api.report),
            ("POST", ONE, api.enable),
            ("PUT", ONE, api.update),
            ("DELETE", ONE, api.delete),
        ):
            router.add_route(method, path, self._writing(write))
        router.add_get("/sandbox/annotations", self._overview)
        router.add_post("/sandbox/annotations/lock", self._lock)
        router.add_post("/sandbox/annotations/end-tokens", self._end_tokens)

    def _writing(self, handler: WriteHandler) -> Handler:
        """The handler behind the pace, the faults, and the check of token, role and lock."""

        async def answer(request: web.Request) -> web.StreamResponse:
            async def respond() -> web.Response:
                try:
                    return await handler(request, self._admit(request))
                except RequestRefusedError as refusal:
                    return refusal.response()

            try:
                count = self.pace.arrive()
            except RequestRefusedError as refusal:
                return refusal.response()
            name = f"{request.method}?{count}"  # so that `probability` is of requests
            return await self._misbehaviour.answer(
                request, respond, faults=self._faults.writes, name=name
            )

        return answer

    def _admit(self, request: web.Request) -> ApiClient:
        client = self._auth.client_of(request)
        if client.role == "none":
            raise RequestRefusedError(403, "The client has no role for the Annotation API.")
        if time.monotonic() < self._locked_until:
            raise RequestRefusedError(423, "A lock of the API is effective.")
        return client

    async def _token(self, request: web.Request) -> web.StreamResponse:
        return await self._misbehaviour.answer(
            request,
            lambda: self._auth.answer(request),
            faults=self._faults.tokens,
            name=f"token?{time.monotonic()}",
        )

    async def _overview(self, _: web.Request) -> web.Response:
        items = [
            {"id": one.id, "record": one.record, "body": one.body, "creator": one.creator_uri}
            for one in self.standing()
        ]
        counts = {"created": self.created, "deleted": self.deleted}
        pace = {"worst_second": self.pace.worst_second()}
        return web.json_response({"annotations": items} | counts | pace)

    async def _lock(self, request: web.Request) -> web.Response:
        try:
            self.lock(float(request.query.get("seconds", "inf")))
        except ValueError:
            return invalid("seconds is a number").response()
        return web.Response(status=204)

    async def _end_tokens(self, _: web.Request) -> web.Response:
        self.end_tokens()
        return web.Response(status=204)
