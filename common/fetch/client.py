"""One picture from its URL, whatever the server at the other end is up to."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPException
from importlib.metadata import version
from typing import Self

from common.errors import RecordError, TransientRecordError, UsageError
from common.fetch.addresses import AddressPolicy, IPAddress, NameResolver
from common.fetch.answers import (
    PREFIX_BYTES,
    break_error,
    redirect_location,
    refuse_encodings,
    refuse_shortness,
    refuse_two_lengths,
    sniff,
    status_error,
)
from common.fetch.connections import (
    FetchLimits,
    IdleConnections,
    PinnedConnection,
    Transfer,
    guarded,
    new_connection,
)
from common.fetch.framing import FramedResponse
from common.fetch.urls import CheckedUrl
from common.process.settings import ImageSettings
from common.reasons import Reason

PRODUCT = "EuropeanaImageEnrichment"
ACCEPT = "image/jpeg, image/png, image/tiff, image/webp, image/*;q=0.8, */*;q=0.5"
ADDRESSES_TRIED = 4  # of one host
LARGE_BYTES = 4_000_000  # bodies beyond this are read by a few threads at a time
DRAINED_BYTES = 16_384  # an unwanted body is cheaper to read than a new connection
CHUNK_BYTES = 1 << 20

BROKEN = (OSError, HTTPException)  # the other end is gone or no HTTP server
_NEVER = threading.Event()


@dataclass(frozen=True)
class FetchRequest:
    url: CheckedUrl
    redirects_left: int
    seconds_left: float
    addresses: tuple[IPAddress, ...] = ()  # of its host, checked; looked up if there are none


@dataclass(frozen=True)
class Fetched:
    content: bytes
    format: str  # as `sniff` names it
    url: str  # where it was in the end, without the query


class PictureFetcher:
    """Fetches pictures over pinned, guarded connections; threads share one.

    Every failure is a `RecordError` of stage `fetch` made by a `Reason`, a
    `TransientRecordError` if it may pass.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        policy: AddressPolicy | None = None,
        limits: FetchLimits | None = None,
        resolver: NameResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        large_bodies: int = 16,
    ) -> None:
        self.limits = limits or FetchLimits()
        self._policy = policy or AddressPolicy()
        self._resolver = resolver or NameResolver()
        self._ssl_context = guarded(ssl_context or ssl.create_default_context())
        self._idle = IdleConnections()
        self._large_bodies = threading.BoundedSemaphore(large_bodies)
        self._headers = {
            "User-Agent": user_agent,
            "Accept": ACCEPT,
            "Accept-Encoding": "identity",
        }

    @classmethod
    def from_settings(cls, settings: ImageSettings) -> Self:
        """The fetcher that the environment asks for.

        Raises:
            UsageError: FETCH_ALLOW_ADDRESSES or FETCH_CONTACT is malformed.
        """
        return cls(
            user_agent=user_agent(settings.fetch_contact),
            policy=AddressPolicy.parse(settings.fetch_allow_addresses),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._idle.close()

    def fetch(self, url: str) -> Fetched:
        answer: FetchRequest | Fetched = self.request(url)
        while isinstance(answer, FetchRequest):
            answer = self.step(answer)
        return answer

    def request(self, url: str) -> FetchRequest:
        """The first request for a picture.

        Raises:
            RecordError: the URL is not one that can be asked.
        """
        return FetchRequest(
            url=CheckedUrl.parse(url),
            redirects_left=self.limits.max_redirects,
            seconds_left=self.limits.total_seconds,
        )

    def locate(
        self, request: FetchRequest, cancelled: threading.Event = _NEVER
    ) -> tuple[IPAddress, ...]:
        transfer = Transfer(self.limits, seconds_left=request.seconds_left, cancelled=cancelled)
        with _told_of(request.url):
            return self._addresses(request.url, transfer)

    def step(
        self, request: FetchRequest, cancelled: threading.Event = _NEVER
    ) -> Fetched | FetchRequest:
        """Ask one address once: the picture, or the request that is to follow.

        That is where a redirect leads to, or the same to the next address of the host, where the
        first one accepts no connection.
        """
        url = request.url
        transfer = Transfer(self.limits, seconds_left=request.seconds_left, cancelled=cancelled)
        with _told_of(url):
            address, *others = request.addresses or self._addresses(url, transfer)
            try:
                connection, response = self._ask(url, address, transfer)
            except RecordError as error:
                if not others or Reason.of(error) is not Reason.CONNECT:
                    raise
                return replace(
                    request, addresses=tuple(others), seconds_left=transfer.seconds_left()
                )
            picture: Fetched | None = None
            with _closed_on_error(connection, response):
                if response.status == 200:
                    picture = self._picture(url, response, transfer)
                self._finish(url, connection, response)
            return picture or _redirected(request, response, transfer)

    def _addresses(self, url: CheckedUrl, transfer: Transfer) -> tuple[IPAddress, ...]:
        try:
            addresses = self._resolver.resolve(url.host, timeout=transfer.step_timeout())
        except OSError as error:
            raise Reason.DNS.error("the name does not resolve") from error
        return tuple(self._policy.choose(addresses, port=url.port)[:ADDRESSES_TRIED])

    def _ask(
        self, url: CheckedUrl, address: IPAddress, transfer: Transfer
    ) -> tuple[PinnedConnection, FramedResponse]:
        """The head of the answer; an idle connection that turns out dead costs one more try."""
        idle = self._idle.take(url, address)
        if idle is not None:
            idle.serve(transfer)
            with suppress(*BROKEN):  # its host may have closed it, which shows only now
                return idle, _head(idle, url, self._headers)
        connection = self._connect(url, address, transfer)
        return connection, _head(connection, url, self._headers)

    def _connect(self, url: CheckedUrl, address: IPAddress, transfer: Transfer) -> PinnedConnection:
        connection = new_connection(url, address, transfer, self._ssl_context)
        with _closed_on_error(connection):
            try:
                connection.open()
            except ssl.SSLError:
                raise
            except OSError as error:
                raise Reason.CONNECT.error("the host accepts no connection") from error
        return connection

    def _picture(self, url: CheckedUrl, response: FramedResponse, transfer: Transfer) -> Fetched:
        refuse_encodings(response.headers)
        refuse_two_lengths(response.headers)
        announced = response.length or 0
        self._refuse_size(announced)
        first = response.read(announced if 0 < announced < LARGE_BYTES else PREFIX_BYTES)
        image_format = sniff(first)
        parts, size = [first], len(first)
        with ExitStack() as stack:
            while chunk := response.read(CHUNK_BYTES):
                parts.append(chunk)
                self._refuse_size(size + len(chunk))
                if size < LARGE_BYTES <= size + len(chunk):
                    transfer.wait_for(self._large_bodies)
                    stack.callback(self._large_bodies.release)
                size += len(chunk)
            refuse_shortness(response)
            return Fetched(b"".join(parts), image_format, str(url))

    def _refuse_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise Reason.TOO_LARGE.error(f"more than {self.limits.max_bytes} bytes")

    def _finish(
        self, url: CheckedUrl, connection: PinnedConnection, response: FramedResponse
    ) -> None:
        if response.length is not None and response.length <= DRAINED_BYTES:
            response.read(DRAINED_BYTES)
        reusable = response.left_nothing
        response.close()
        if reusable:
            self._idle.put(url, connection)
        else:
            connection.close()


def user_agent(contact: str) -> str:
    """Our name and contact, so that a host's keeper can reach us.

    Raises:
        UsageError: the contact cannot stand in a header.
    """
    if not contact.isascii() or not contact.isprintable():
        raise UsageError(
            "FETCH_CONTACT must be the address of a web page or an e-mail address, in ASCII "
            "characters."
        )
    return f"{PRODUCT}/{version('europeana-image-enrichment')} (+{contact})"


def _head(connection: PinnedConnection, url: CheckedUrl, headers: dict[str, str]) -> FramedResponse:
    with _closed_on_error(connection):
        return connection.ask(url, headers)


def _redirected(
    request: FetchRequest, response: FramedResponse, transfer: Transfer
) -> FetchRequest:
    """The request that follows; raises what the status means when it is no redirect."""
    location = redirect_location(response.status, response.headers)
    if location is None:
        raise status_error(response.status, response.headers)
    if request.redirects_left == 0:
        raise Reason.TOO_MANY_REDIRECTS.error("the redirects do not end")
    return FetchRequest(
        url=request.url.join(location),
        redirects_left=request.redirects_left - 1,
        seconds_left=transfer.seconds_left(),
    )


@contextmanager
def _closed_on_error(
    connection: PinnedConnection, response: FramedResponse | None = None
) -> Iterator[None]:
    """A transfer that failed half-way leaves a connection that nothing else can use."""
    try:
        yield
    except BaseException:
        connection.close()
        if response is not None:
            response.close()
        raise


@contextmanager
def _told_of(url: CheckedUrl) -> Iterator[None]:
    """Let out our errors alone, each naming the URL where it happened."""
    try:
        yield
    except RecordError as error:
        raise _at(url, error) from error.__cause__
    except (*BROKEN, ValueError, OverflowError) as error:
        raise _at(url, break_error(error)) from error


def _at(url: CheckedUrl, error: RecordError) -> RecordError:
    retry_after = error.retry_after if isinstance(error, TransientRecordError) else None
    detail = f"{url}: {error.detail}"
    return Reason.of(error).error(detail, retry_after=retry_after)
