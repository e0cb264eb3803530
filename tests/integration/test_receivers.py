"""Posting to real servers on loopback: which address, how long, what of the answer."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ragline.adapters.push.receivers import HttpReceivers
from ragline.domain.addresses import parse_networks
from ragline.domain.errors import InvalidRequest
from tests.ports import free_port
from tests.webhook_receiver import receiving

LOOPBACK = parse_networks("127.0.0.0/8")
HEADERS = {"Ragline-Signature": "t=1,v1=x"}


def names(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    """A resolver that knows only these."""
    return lambda host, port: list(addresses)


def test_the_body_arrives_to_the_letter_with_its_headers() -> None:
    with receiving() as server:
        answer = HttpReceivers(LOOPBACK).post(server.url + "?a=1", '{"ü": 1}', HEADERS)
        (posted,) = server.posted
    assert answer.status == 204
    assert (posted.path, posted.body) == ("/hooks?a=1", '{"ü": 1}')
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["ragline-signature"] == "t=1,v1=x"
    assert posted.headers["user-agent"].startswith("Ragline/")
    assert posted.headers["host"] in server.url


def test_without_leave_nothing_is_sent_to_this_machine() -> None:
    with receiving() as server:
        with pytest.raises(InvalidRequest, match="not public"):
            HttpReceivers().check(server.url)
        with pytest.raises(InvalidRequest, match="not public"):
            HttpReceivers().post(server.url, "{}", {})
    assert not server.posted


def test_one_address_that_is_not_allowed_is_enough_to_send_nothing() -> None:
    with receiving() as server:
        found = names("127.0.0.1", "10.0.0.1")
        with pytest.raises(InvalidRequest):
            HttpReceivers(LOOPBACK, resolve=found).post(server.url, "{}", {})
    assert not server.posted


def test_the_connection_goes_to_the_very_address_that_was_checked() -> None:
    """A name that is rebound after the check gains nothing: it is resolved once."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with receiving() as server:
        port = server.url.split(":")[2].split("/")[0]
        url = f"http://hooks.example:{port}/hooks"
        answer = HttpReceivers(LOOPBACK, resolve=rebinding).post(url, "{}", {})
        assert answer.status == 204
        assert server.posted[0].headers["host"] == f"hooks.example:{port}"
    assert asked == ["hooks.example"]


def test_a_redirect_is_an_answer_like_any_other() -> None:
    with receiving() as target, receiving(307, location=target.url) as server:
        assert HttpReceivers(LOOPBACK).post(server.url, "{}", {}).status == 307
        assert not target.posted


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120), ("0", 0), ("soon", None), ("-5", None), ("9" * 400, 999_999_999)],
)
def test_what_the_receiver_says_of_waiting_is_read(said: str, seconds: int | None) -> None:
    with receiving(429, retry_after=said) as server:
        answer = HttpReceivers(LOOPBACK).post(server.url, "{}", {})
    assert (answer.status, answer.retry_after) == (429, seconds)


def test_a_date_of_waiting_is_read() -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    with receiving(503, retry_after=later.strftime("%a, %d %b %Y %H:%M:%S GMT")) as server:
        answer = HttpReceivers(LOOPBACK).post(server.url, "{}", {})
    assert answer.retry_after is not None
    assert 85 <= answer.retry_after <= 90


def test_who_takes_no_connection_is_told_of_and_the_next_address_is_tried() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    answer = HttpReceivers(LOOPBACK).post(url, "{}", {})
    assert (answer.status, "no connection" in answer.trouble) == (0, True)
    with receiving() as server:
        found = names("127.0.0.2", "127.0.0.1")  # nobody listens on the first
        assert HttpReceivers(LOOPBACK, resolve=found).post(server.url, "{}", {}).status == 204


def test_a_name_that_has_no_address_is_trouble_when_sending_and_an_error_when_registering() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("no such name")

    receivers = HttpReceivers(resolve=nowhere)
    assert "no address" in receivers.post("https://no.example/", "{}", {}).trouble
    with pytest.raises(InvalidRequest, match="no address"):
        receivers.check("https://no.example/")


@contextmanager
def talking(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes one connection and says what it is told to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                connection, _ = listening.accept()
                with connection:
                    say(connection)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    with talking(drip) as url:
        began = time.monotonic()
        answer = HttpReceivers(LOOPBACK, seconds=0.5).post(url, "{}", {})
    assert answer.status == 0
    assert time.monotonic() - began < 3


def test_of_an_endless_answer_only_the_head_is_read() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        block = b"x" * 65_536
        while True:
            connection.sendall(block)
            sent += len(block)

    with talking(flood) as url:
        assert HttpReceivers(LOOPBACK).post(url, "{}", {}).status == 200
        time.sleep(0.1)
    assert sent < 20_000_000


@pytest.mark.parametrize("said", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100])
def test_what_is_no_http_is_trouble_and_nothing_worse(said: bytes) -> None:
    with talking(lambda connection: connection.sendall(said)) as url:
        answer = HttpReceivers(LOOPBACK, seconds=1).post(url, "{}", {})
    assert (answer.status, "no answer came" in answer.trouble) == (0, True)


@contextmanager
def encrypted(folder: Path, name: str) -> Iterator[tuple[int, ssl.SSLContext]]:
    """A TLS server whose certificate is for ``name``: its port, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )

    trusted = ssl.create_default_context(
        cadata=certificate.public_bytes(serialization.Encoding.PEM).decode()
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], trusted
    finally:
        server.shutdown()
        server.server_close()


def test_tls_proves_the_name_though_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    with encrypted(tmp_path, "hooks.example") as (port, trusted):
        receivers = HttpReceivers(LOOPBACK, resolve=names("127.0.0.1"), trusted=trusted)
        assert receivers.post(f"https://hooks.example:{port}/", "{}", {}).status == 204
        other = receivers.post(f"https://other.example:{port}/", "{}", {})
        assert (other.status, "no connection" in other.trouble) == (0, True)
        stranger = HttpReceivers(LOOPBACK, resolve=names("127.0.0.1"))
        assert stranger.post(f"https://hooks.example:{port}/", "{}", {}).status == 0


def test_the_addresses_of_this_machine_are_found_without_the_network() -> None:
    from ragline.adapters.push.receivers import resolved

    for address in resolved("localhost", 80):
        assert ipaddress.ip_address(address).is_loopback
