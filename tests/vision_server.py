"""An OpenAI-compatible server on loopback: it looks at the pictures, and says what it is told to.

Without further word its answer tells the size of the picture that it was shown, so that a test can
see that one was.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; the names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def picture(self) -> tuple[str, bytes]:
        """Media type and bytes."""
        url = self.body["messages"][-1]["content"][0]["image_url"]["url"]
        head, _, data = url.partition(";base64,")
        return head.removeprefix("data:"), base64.b64decode(data)


@dataclass
class VisionServer:
    """``answers`` are given in turn, as (status, headers, body); then the usual one."""

    url: str
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def completion(text: str | None, stop: str = "stop", **message: Any) -> dict[str, Any]:
    """As https://platform.openai.com/docs/api-reference/chat/object has it."""
    said = {"role": "assistant", "content": text, **message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "looker-2026",
        "choices": [{"index": 0, "message": said, "finish_reason": stop}],
        "usage": {"prompt_tokens": 1_700, "completion_tokens": 40, "total_tokens": 1_740},
    }


@contextmanager
def seeing() -> Iterator[VisionServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.path, told, body)
            server.asked.append(asked)
            status, headers, answer = (
                server.answers.pop(0) if server.answers else (200, {}, completion(_look(asked)))
            )
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = VisionServer(f"http://127.0.0.1:{listening.server_port}/v1")
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def _look(asked: Asked) -> str:
    from PIL import Image

    media, data = asked.picture
    with Image.open(io.BytesIO(data)) as picture:
        assert media == f"image/{str(picture.format).lower()}"
        width, height = picture.size
    question = asked.body["messages"][-1]["content"][1]["text"]
    return f"{question} A picture of {width} by {height} pixels."
