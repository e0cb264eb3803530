"""Uploads in parts: opened with a document's registration, resumed from anywhere, then joined.

The ledger knows which upload of a document is open, and the bucket which parts of it are there, so
that whoever holds the same file can go on with it: nothing has to be remembered by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ragline.domain.documents import Document, Status, is_sha256
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.domain.ledger import Multipart
from ragline.ports import Ledger, Objects, StoredPart
from ragline.usecases import documents

PART_BYTES = 8 * 1024 * 1024
"""Of every part but the last, at least. S3 takes none below 5 MiB, and at most 10,000 parts.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

MAX_PARTS = 10_000

UPLOAD_SECONDS = 2 * 86_400
"""How long parts are kept that were never joined: a rule of the bucket says the same."""

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SignedPart:
    """One PUT of one part. ``url`` is a secret while it lives, and in no repr."""

    number: int
    size: int
    url: str = field(repr=False)
    headers: Mapping[str, str]


def part_bytes(size: int) -> int:
    """How big the parts of a file of so many bytes are: whole mebibytes, so that they suffice."""
    mebibyte = 1024 * 1024
    return max(PART_BYTES, -(-size // (MAX_PARTS * mebibyte)) * mebibyte)


def open_upload(
    document: Document,
    size: int,
    checksum: str,
    content_type: str,
    *,
    ledger: Ledger,
    objects: Objects,
) -> Multipart:
    """The upload that is open for these very bytes, or else a new one, in the old one's place.

    Raises:
        NotFound: the document has just been deleted.
    """
    key, tenant = document.upload_key, document.partition.tenant
    old = ledger.upload(tenant, document.document_id)
    same = old is not None and checksum != "" and (old.size, old.checksum) == (size, checksum)
    if old is not None and same and objects.parts(key, old.upload_id) is not None:
        return old
    new = Multipart(objects.start_parts(key, content_type), size, part_bytes(size), checksum)
    if not ledger.open_upload(document, new, UPLOAD_SECONDS):
        objects.drop_parts(key, new.upload_id)
        raise NotFound(f"document {document.document_id!r} was deleted meanwhile.")
    if old is not None:
        objects.drop_parts(key, old.upload_id)
    return new


def sign_parts(
    tenant: str,
    document_id: str,
    upload_id: str,
    checksums: Mapping[int, str],
    *,
    ledger: Ledger,
    objects: Objects,
    expires: int,
) -> list[SignedPart]:
    """Where these parts (number → SHA-256 in hexadecimal) go, within ``expires`` seconds.

    Raises:
        NotFound: there is no such document or upload.
        InvalidRequest: the upload has no such part, or that is no checksum.
    """
    document, upload = _open(tenant, document_id, upload_id, ledger)
    signed = []
    for number, checksum in sorted(checksums.items()):
        if not upload.size_of(number):
            raise InvalidRequest(f"parts: {number} is none of parts 1 to {upload.parts:,}.")
        if not is_sha256(checksum.lower()):
            raise InvalidRequest(f"parts: the checksum of part {number} is no SHA-256.")
        size = upload.size_of(number)
        url, headers = objects.presign_part(
            document.upload_key,
            upload_id,
            number,
            size=size,
            checksum=checksum.lower(),
            expires=expires,
        )
        signed.append(SignedPart(number, size, url, headers))
    return signed


def arrived(
    tenant: str, document_id: str, upload_id: str, *, ledger: Ledger, objects: Objects
) -> tuple[Multipart, Sequence[StoredPart]]:
    """The upload, and the parts of it that are there. Raises NotFound as ``sign_parts``."""
    document, upload = _open(tenant, document_id, upload_id, ledger)
    there = objects.parts(document.upload_key, upload_id)
    if there is None:
        raise _no_upload(upload_id)
    return upload, there


def complete(
    tenant: str, document_id: str, upload_id: str, *, ledger: Ledger, objects: Objects
) -> Document:
    """Join the parts; the bucket's event does the rest. Asked again, it changes nothing.

    Raises:
        NotFound: there is no such document or upload.
        Conflict: some parts are not there yet; says which.
    """
    document, upload = _open(tenant, document_id, upload_id, ledger)
    there = objects.parts(document.upload_key, upload_id)
    if there is None:
        return _joined_before(document, upload, objects)
    sizes = {one.number: one.size for one in there}
    wanted = range(1, upload.parts + 1)
    missing = [str(n) for n in wanted if sizes.get(n) != upload.size_of(n)]
    if missing:
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        raise Conflict(
            f"of {upload.parts:,} parts, {', '.join(missing[:_SHOWN])}{more} did not arrive; "
            "send them, and complete the upload then."
        )
    if not objects.join_parts(document.upload_key, upload_id, there):
        return _joined_before(document, upload, objects)  # by another request, a moment ago
    return document


def abort(
    tenant: str, document_id: str, upload_id: str, *, ledger: Ledger, objects: Objects
) -> None:
    """Give the upload up and delete its parts; the document stays as it is. Raises NotFound."""
    document, _ = _open(tenant, document_id, upload_id, ledger)
    objects.drop_parts(document.upload_key, upload_id)
    ledger.open_upload(document, None)


def _open(
    tenant: str, document_id: str, upload_id: str, ledger: Ledger
) -> tuple[Document, Multipart]:
    document = documents.get(tenant, document_id, ledger=ledger)
    upload = ledger.upload(tenant, document_id)
    if upload is None or upload.upload_id != upload_id or document.status is Status.DELETED:
        raise _no_upload(upload_id)
    return document, upload


def _joined_before(document: Document, upload: Multipart, objects: Objects) -> Document:
    """The document, if its file is there and the event on its way. Raises NotFound if not."""
    if objects.size(document.upload_key) == upload.size:
        return document
    raise _no_upload(upload.upload_id)


def _no_upload(upload_id: str) -> NotFound:
    return NotFound(
        f"no upload {upload_id[:40]!r} is open for this document: it is complete, was replaced or "
        "given up, or is too old. Register the document again."
    )
