"""POST to servers that tenants name, and to nothing else that our network reaches.

The name is resolved once, every address is checked, and the connection goes to the very address
that was: a name that resolves to something else a moment later (DNS rebinding) gains nothing. TLS
still proves the name. Redirects are not followed, and of the answer only its head is read.
"""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

import ragline
from ragline.domain.addresses import Network, Place, check_address, parse_url
from ragline.domain.errors import InvalidRequest
from ragline.ports import Answer

Resolve = Callable[[str, int], Sequence[str]]

CONNECT_SECONDS = 3.0
SECONDS = 10.0
"""Of one attempt, from the connection to the head of the answer, however slowly it drips."""

MOST_ADDRESSES = 3
"""That are tried, if one after another takes no connection."""


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, in the order in which they should be tried.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))


class HttpReceivers:
    """``ports.Receivers``. Threads may share it.

    ``allowed``: networks that may be reached although they are private, and without TLS.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolve: Resolve = resolved,
        seconds: float = SECONDS,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._seconds = seconds
        self._trusted = trusted

    def check(self, url: str) -> None:
        place = parse_url(url)
        try:
            self._addresses(place)
        except OSError as error:
            raise InvalidRequest(f"url: {place.host} has no address.") from error

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        place = parse_url(url)
        try:
            addresses = self._addresses(place)
        except (OSError, UnicodeError):
            return Answer(trouble="its name has no address")
        deadline = time.monotonic() + self._seconds
        trouble = "it took no connection"
        for address in addresses[:MOST_ADDRESSES]:
            connection = self._connection(place, address)
            with _ended_at(deadline, connection) as time_limit:
                try:
                    connection.connect()
                except (HTTPError, OSError) as error:
                    trouble = f"it took no connection: {type(error).__name__}"
                    continue
                answer = _exchange(connection, place, body, headers)
                # Cut off, a head may look whole: what came too late is no answer.
                return Answer(trouble="it took too long") if time_limit.over else answer
        return Answer(trouble=trouble)

    def _addresses(self, place: Place) -> Sequence[str]:
        """All of them, each checked: which one is taken is not ours to say."""
        found = self._resolve(place.host, place.port)
        for address in found:
            check_address(place, address, self._allowed)
        return found

    def _connection(self, place: Place, address: str) -> HTTPConnection:
        wait = min(CONNECT_SECONDS, self._seconds)
        if not place.encrypted:
            return HTTPConnection(address, place.port, timeout=wait)
        return HTTPSConnection(
            address, place.port, timeout=wait,
            server_hostname=place.host, ssl_context=self._context,
        )  # fmt: skip

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._trusted or ssl.create_default_context()


class _ended_at:  # noqa: N801 - a context manager
    """Ends a connection when time is over: a socket's own timeout starts anew with each byte."""

    def __init__(self, deadline: float, connection: HTTPConnection) -> None:
        self.over = False
        self._connection = connection
        self._timer = threading.Timer(max(0.0, deadline - time.monotonic()), self._end)
        self._timer.daemon = True

    def __enter__(self) -> _ended_at:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()

    def _end(self) -> None:
        self.over = True
        if (open_socket := self._connection.sock) is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


def _exchange(
    connection: HTTPConnection, place: Place, body: str, headers: Mapping[str, str]
) -> Answer:
    sent = {
        "Host": place.authority,
        "Content-Type": "application/json",
        "User-Agent": f"Ragline/{ragline.__version__}",
        "Connection": "close",
        **headers,
    }
    if connection.sock is not None:
        connection.sock.settimeout(SECONDS)
    try:
        connection.request(
            "POST", place.target, body=body.encode(), headers=sent, preload_content=False
        )
        answer = connection.getresponse()
    except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
        return Answer(trouble=f"no answer came: {type(error).__name__}")
    return Answer(answer.status, retry_after=_seconds(answer.headers.get("retry-after", "")))


def _seconds(retry_after: str) -> int | None:
    """https://www.rfc-editor.org/rfc/rfc9110#field.retry-after"""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:9])
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - datetime.now(UTC)).total_seconds()))
