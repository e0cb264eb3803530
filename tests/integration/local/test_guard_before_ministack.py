"""The door in front of the real thing."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket

import pytest

from ragline.local import aws
from ragline.local.cloud import Cloud

CREATE_QUEUE = b"Action=CreateQueue&Version=2012-11-05&QueueName="


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: " ".join(f"{name} {value}" for name, value in headers.items()),
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_web_page_cannot_use_the_cloud(
    local: Cloud, method: str, headers: dict[str, str]
) -> None:
    status, body = request(local, method, headers, CREATE_QUEUE + b"from-a-page")
    assert status == 403
    assert json.loads(body)["reason"]
    queues = client_of(local, "sqs").list_queues(QueueNamePrefix="from-a-page")
    assert not queues.get("QueueUrls")


def test_the_same_request_of_a_program_passes(local: Cloud) -> None:
    status, _ = request(local, "POST", {}, CREATE_QUEUE + b"from-a-program")
    assert status == 200


@pytest.mark.parametrize(
    ("headers", "why"),
    [({"Host": "evil.example"}, "Host"), ({"Origin": "https://evil.example"}, "another origin")],
)
def test_a_web_page_cannot_open_a_websocket(
    local: Cloud, headers: dict[str, str], why: str
) -> None:
    status, body = handshake(local, headers)
    assert status == 403
    assert why in body


def test_a_websocket_of_a_program_reaches_ministack(local: Cloud) -> None:
    _, body = handshake(local, {"Origin": local.endpoint_url})
    assert "refused" not in body  # there is no such API, but that is MiniStack's answer


def test_boto3_passes_for_small_and_large_objects(local: Cloud) -> None:
    s3 = client_of(local, "s3")
    s3.create_bucket(Bucket="guarded")
    data = os.urandom(9 * 1024 * 1024)
    s3.put_object(Bucket="guarded", Key="a b/ü.bin", Body=data)
    assert s3.get_object(Bucket="guarded", Key="a b/ü.bin")["Body"].read() == data


def test_it_listens_on_loopback_only(local: Cloud) -> None:
    with pytest.raises(OSError):  # refused, or no such address on this system
        socket.create_connection(("127.0.0.2", local.port), timeout=2).close()


def request(
    cloud: Cloud, method: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=10)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, "/", body, form | headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def handshake(cloud: Cloud, headers: dict[str, str]) -> tuple[int, str]:
    """The status and the rest of the answer to a WebSocket handshake."""
    sent = {
        "Host": f"127.0.0.1:{cloud.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    } | headers
    lines = ["GET /_aws/execute-api/none/live HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items())]
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return int(answer.split()[1]), answer.decode(errors="replace")


def client_of(cloud: Cloud, service: str):  # type: ignore[no-untyped-def]
    return aws.session().client(
        service,  # type: ignore[call-overload]
        endpoint_url=cloud.endpoint_url,
        config=aws.config(),
    )
