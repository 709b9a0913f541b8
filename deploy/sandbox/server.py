"""The sandbox: sockets, routes, and a thread that serves them."""

import asyncio
import errno
import socket
import threading
from collections.abc import Sequence
from typing import Self

from aiohttp import web

from common.errors import UsageError
from deploy.sandbox.addresses import API_ADDRESS, Addresses, image_addresses
from deploy.sandbox.annotations.room import SandboxAnnotations
from deploy.sandbox.annotations.tokens import REALM, ApiClient
from deploy.sandbox.api.entities import SandboxEntityApi
from deploy.sandbox.api.keys import Handler, KeyedHandler, Keys, Quota
from deploy.sandbox.api.record import RecordApi
from deploy.sandbox.api.search import SearchApi
from deploy.sandbox.api.thumbnails import ThumbnailApi
from deploy.sandbox.catalogue import Catalogue
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Faults
from deploy.sandbox.hosts.image_hosts import ImageHosts, check_faults
from deploy.sandbox.hosts.misbehaviour import Misbehaviour
from deploy.sandbox.hosts.pictures import Pictures
from deploy.sandbox.request_log import RequestLog

SHUTDOWN_SECONDS = 0.5  # for unfinished answers
PORT_ATTEMPTS = 20
RECORD_ID = "{dataset}/{local}"
PUBLISHER = ApiClient("sandbox", "sandbox-secret")


class Sandbox:
    """Listens from the start; serves from `start` to `stop`, or within a `with` block, in a thread.

    The default `catalogue` is a drawn collection; port 0 means a free one. You can start a sandbox
    only once. It forgets its annotations when it ends, so a later sandbox for the same store needs
    numbers of its own from `first_annotation`.

    Raises:
        UsageError: the port is taken, or `faults` names a host or an item that does not exist.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        *,
        faults: Faults | None = None,
        keys: Sequence[str] = ("sandbox",),
        quota: Quota | None = None,
        clients: Sequence[ApiClient] = (PUBLISHER,),
        image_hosts: int = 8,
        port: int = 0,
        seed: int = 1,
        first_annotation: int = 1,
    ) -> None:
        self.catalogue = catalogue or draw_collection(seed=seed)
        self.key = keys[0]
        self.client = clients[0]
        self._faults = faults or Faults()
        self._keys = Keys(keys, quota or Quota())
        self._misbehaviour = Misbehaviour(seed)
        self._pictures = Pictures(self.catalogue)
        self.annotations = SandboxAnnotations(
            clients, self._faults.annotations, self._misbehaviour, first_annotation
        )
        addresses = image_addresses(image_hosts)
        check_faults(self._faults, self.catalogue, addresses)
        self._sockets = _listen([API_ADDRESS, *addresses], port)
        port = self._sockets[0].getsockname()[1]
        self.addresses = Addresses(self.catalogue.hosts, addresses, port)
        self.log = RequestLog([API_ADDRESS, *addresses])
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    @property
    def url(self) -> str:
        """The base of the APIs, for EUROPEANA_API_URL."""
        return self.addresses.api_url

    @property
    def auth_url(self) -> str:
        """The issuer of tokens, for EUROPEANA_AUTH_URL."""
        return f"{self.url}{REALM}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to answer; connections made before that have waited."""
        self._thread.start()

    def stop(self) -> None:
        """Break off unfinished answers after half a second, and close every socket."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _serve(self) -> None:
        runners = [_runner(self._api()), _runner(self._image_host())]
        sockets = [self._sockets[:1], self._sockets[1:]]
        for runner, listening in zip(runners, sockets, strict=True):
            await runner.setup()
            for one in listening:
                await web.SockSite(runner, one).start()
        await self._stopping.wait()
        for runner in runners:
            await runner.cleanup()
        await asyncio.sleep(0)  # removes closed connections

    def _api(self) -> web.Application:
        search = SearchApi(self.catalogue, self.addresses)
        record = RecordApi(self.catalogue, self.addresses)
        thumbnails = ThumbnailApi(
            self.catalogue,
            self.addresses,
            self._pictures,
            misbehaviour=self._misbehaviour,
            faults=self._faults.thumbnails,
        )
        entities = SandboxEntityApi(self.catalogue, self.url)
        app = web.Application(middlewares=[self.log.record])
        for path, handler in (
            ("/record/v2/search.json", search.answer),
            (f"/record/v2/{RECORD_ID}.json", record.answer),
            (r"/entity/concept/{number:\d+}.json", entities.answer),
            ("/entity/resolve", entities.resolve),
        ):
            app.router.add_get(path, self._guarded(handler))
        app.router.add_get("/thumbnail/v3/400/{name}", thumbnails.answer)
        self.annotations.add_routes(app.router, self._guarded)
        app.router.add_get("/sandbox/requests", self.log.answer)
        return app

    def _guarded(self, handler: KeyedHandler) -> Handler:
        """The handler after the check of the key, and after the faults of the API."""
        keyed = self._keys.guard(handler)

        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._misbehaviour.answer(
                request, lambda: keyed(request), faults=self._faults.api, name=request.path_qs
            )

        return answer

    def _image_host(self) -> web.Application:
        hosts = ImageHosts(
            self.catalogue,
            self.addresses,
            self._pictures,
            misbehaviour=self._misbehaviour,
            faults=self._faults,
        )
        app = web.Application(middlewares=[self.log.record])
        app.router.add_get(f"/media/{RECORD_ID}.jpg", hosts.answer)
        return app


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
    )


def _listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """A listening socket on every address, all on one port."""
    for attempt in range(PORT_ATTEMPTS):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                chosen = sockets[0].getsockname()[1] if sockets else port
                sockets.append(_listen_on(address, chosen))
        except OSError as error:
            for listening in sockets:
                listening.close()
            if port == 0 and error.errno == errno.EADDRINUSE and attempt < PORT_ATTEMPTS - 1:
                continue  # free on one address, taken on another
            raise UsageError(_why_not(error, address, chosen)) from error
        return sockets
    raise AssertionError("unreachable")


def _listen_on(address: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(1024)
    except OSError:
        listening.close()
        raise
    return listening


def _why_not(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use on {address}; choose another with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {address}; the sandbox needs Linux's 127.0.0.0/8."
    return f"Cannot listen on {address}, port {port}: {error.strerror}."
