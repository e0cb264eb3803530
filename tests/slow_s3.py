"""A small S3 with a delay that can be set, which counts requests: what the index costs far away.

``with slow_s3(delay_ms=20) as (endpoint, meter)``: a process of its own serves one folder, a bucket
to a subfolder, and speaks what Lance's object store and boto3 ask: GET (also of ranges), HEAD, PUT
(also conditional), LIST, DELETE (also of many), copy and multipart. Signatures are not checked.
A GET takes 0.3 ms of CPU; 5 to 10 in moto or MiniStack would drown what is measured here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request as WebRequest
from urllib.request import urlopen
from xml.sax.saxutils import escape, unescape

BUCKET = "slow"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
PAGE = 1_000
_CONTROL = "/-meter"


@dataclass(frozen=True)
class Meter:
    """Counts the requests of a running server, by kind: GET, HEAD, LIST, PUT, DELETE, POST."""

    endpoint: str

    def read(self) -> Counter[str]:
        """Requests since the start or the last reset, and the ``BYTES`` that GETs returned."""
        return Counter(self._ask("GET"))

    def reset(self, delay_ms: float | None = None) -> None:
        """Count from 0; from now on every answer comes ``delay_ms`` late, if that is given."""
        self._ask("PUT", {} if delay_ms is None else {"delay_ms": delay_ms})

    def _ask(self, method: str, body: Mapping[str, float] | None = None) -> dict[str, int]:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(WebRequest(self.endpoint + _CONTROL, data, method=method)) as answer:
            found: dict[str, int] = json.loads(answer.read())
        return found


@contextlib.contextmanager
def slow_s3(delay_ms: float = 20, root: Path | None = None) -> Iterator[tuple[str, Meter]]:
    """The endpoint's URL and its meter. ``root`` is kept; without it all is gone at the end."""
    folder = root or Path(tempfile.mkdtemp(prefix="slow-s3-"))
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.slow_s3", str(folder), "--delay-ms", str(delay_ms)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    try:
        endpoint = _line(process.stdout)
        yield endpoint, Meter(endpoint)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()
        if root is None:
            shutil.rmtree(folder, ignore_errors=True)


def _line(stream: IO[str] | None) -> str:
    found = stream.readline().strip() if stream else ""
    if not found:
        raise RuntimeError("the S3 server did not start")
    return found


@dataclass(frozen=True)
class Request:
    method: str
    key: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        return "LIST" if self.method == "GET" and "list-type" in self.query else self.method

    def asked(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """Of a HEAD, whose body does not come."""


class Folder:
    """Objects as files. Each is renamed into place, so that no reader sees half of one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uploads = root / ".uploads"
        self._uploads.mkdir(exist_ok=True)

    def answer(self, ask: Request) -> Answer:
        if ask.kind == "LIST":
            return self._list(ask)
        if "uploads" in ask.query or "uploadId" in ask.query:
            return self._multipart(ask)
        if ask.method == "POST" and "delete" in ask.query:
            return self._delete_many(ask)
        return {"GET": self._get, "HEAD": self._get, "PUT": self._put, "DELETE": self._delete}[
            ask.method
        ](ask)

    def _get(self, ask: Request) -> Answer:
        path = self._root / ask.key
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                start, end = _range(ask.headers.get("range", ""), status.st_size)
                part = b"" if ask.method == "HEAD" else os.pread(file.fileno(), end - start, start)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return _error(404, "NoSuchKey")
        headers = {"ETag": _etag(status), "Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"}
        if "range" not in ask.headers:
            return Answer(200, part, headers, status.st_size)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{status.st_size}"
        return Answer(206, part, headers, end - start)

    def _put(self, ask: Request) -> Answer:
        path = self._root / ask.key
        source = unquote(ask.headers.get("x-amz-copy-source", "")).lstrip("/")
        data = (self._root / source).read_bytes() if source else ask.body
        path.parent.mkdir(parents=True, exist_ok=True)
        if ask.headers.get("if-none-match") == "*" and path.exists():
            return _error(412, "PreconditionFailed")
        if ask.key.count("/") == 0:
            return Answer()  # a bucket
        self._write(path, data)
        tag = _etag(path.stat())
        copied = f"<CopyObjectResult><ETag>{escape(tag)}</ETag></CopyObjectResult>".encode()
        return Answer(200, copied if source else b"", {"ETag": tag})

    def _write(self, path: Path, data: bytes) -> None:
        scratch = self._uploads / uuid.uuid4().hex
        scratch.write_bytes(data)
        scratch.rename(path)

    def _delete(self, ask: Request) -> Answer:
        self._remove(ask.key)
        return Answer(204)

    def _delete_many(self, ask: Request) -> Answer:
        keys = [key.decode() for key in re.findall(rb"<Key>(.*?)</Key>", ask.body)]
        for key in keys:
            self._remove(f"{ask.key.strip('/')}/{unescape(key)}")
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys))

    def _remove(self, key: str) -> None:
        """With the folders that it leaves empty: a bucket has none."""
        path = self._root / key
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder.parent == self._root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()

    def _multipart(self, ask: Request) -> Answer:
        if "uploads" in ask.query:
            upload = uuid.uuid4().hex
            (self._uploads / upload).mkdir()
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        folder = self._uploads / ask.asked("uploadId")
        if ask.method == "PUT":
            number = int(ask.asked("partNumber"))
            self._write(folder / f"{number:06d}", ask.body)
            return Answer(200, b"", {"ETag": f'"{number}"'})
        if ask.method == "POST":
            path = self._root / ask.key
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, b"".join(part.read_bytes() for part in sorted(folder.iterdir())))
            shutil.rmtree(folder)
            return _xml("CompleteMultipartUploadResult", f"<ETag>{_etag(path.stat())}</ETag>")
        shutil.rmtree(folder, ignore_errors=True)
        return Answer(204)

    def _list(self, ask: Request) -> Answer:
        prefix, delimiter = ask.asked("prefix"), ask.asked("delimiter")
        after = max(ask.asked("start-after"), ask.asked("continuation-token"))
        bucket = self._root / ask.key.strip("/")
        shown: dict[str, str] = {}
        for key, path in _files(bucket, prefix, deep=not delimiter):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key[: cut + 1] if cut >= 0 else key
            if name > after and name not in shown:
                shown[name] = _entry(key, path) if cut < 0 else _common(name)
        names = sorted(shown)
        page = names[: int(ask.asked("max-keys", str(PAGE)))]
        more = len(page) < len(names)
        body = "".join(shown[name] for name in page)
        body += f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            body += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        return _xml("ListBucketResult", f"<Prefix>{escape(prefix)}</Prefix>{body}")


def _files(bucket: Path, prefix: str, *, deep: bool) -> Iterator[tuple[str, Path]]:
    """What is below the prefix; unless ``deep``, folders stand for what is in them."""
    folder = bucket / prefix.rpartition("/")[0]
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        found = [here / name for name in names]
        if not deep:
            found += [here / name / "-" for name in folders if any((here / name).iterdir())]
            folders.clear()
        for path in found:
            key = path.relative_to(bucket).as_posix()
            if key.startswith(prefix):
                yield key, path


def _entry(key: str, path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-21T10:00:00.000Z</LastModified>"
        f"<ETag>{escape(_etag(status))}</ETag><Size>{status.st_size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def _common(prefix: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(prefix)}</Prefix></CommonPrefixes>"


def _range(header: str, size: int) -> tuple[int, int]:
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not match:
        return 0, size
    first, last = match[1], match[2]
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _etag(status: os.stat_result) -> str:
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'


def _xml(name: str, inner: str) -> Answer:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    body = f'{head}<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def _error(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


class Server:
    def __init__(self, root: Path, delay_ms: float) -> None:
        self._folder = Folder(root)
        self._delay = delay_ms / 1_000
        self._counts: Counter[str] = Counter()

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**20)
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while ask := await _read(reader, writer):
                if ask.key == _CONTROL.lstrip("/"):
                    answer = self._control(ask)
                else:
                    answer = await self._object(ask)
                head = [f"HTTP/1.1 {answer.status} -"]
                size = len(answer.body) if answer.length is None else answer.length
                head += [f"{name}: {value}" for name, value in answer.headers.items()]
                head += [f"Content-Length: {size}", "", ""]
                writer.write("\r\n".join(head).encode() + answer.body)
                await writer.drain()
        writer.close()

    def _control(self, ask: Request) -> Answer:
        if ask.method == "PUT":
            self._counts.clear()
            self._delay = json.loads(ask.body).get("delay_ms", self._delay * 1_000) / 1_000
        return Answer(200, json.dumps(self._counts).encode())

    async def _object(self, ask: Request) -> Answer:
        self._counts[ask.kind] += 1
        if self._delay:
            await asyncio.sleep(self._delay)
        answer = self._folder.answer(ask)
        self._counts["BYTES"] += len(answer.body) if ask.kind == "GET" else 0
        return answer


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head[0].split(" ", 2)
    pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    return Request(method, unquote(url.path).lstrip("/"), query, headers, body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--delay-ms", type=float, default=20)
    arguments = parser.parse_args()
    asyncio.run(Server(arguments.root, arguments.delay_ms).serve())


if __name__ == "__main__":
    main()
