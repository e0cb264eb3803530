"""Mail messages (EML): who, when, what; the body; the names of what is attached."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import partial
from mimetypes import guess_extension

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import EncryptedDocument, LimitExceeded
from ragline.parsing import plain, web
from ragline.parsing.decoding import decode
from ragline.parsing.limits import MAX_FILES_INSIDE, MAX_MAIL_HEADER, Source
from ragline.parsing.names import clean_path, numbered
from ragline.ports import Member

_HEADERS = ("From", "To", "Cc", "Date")
_ENCRYPTED = frozenset(
    {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def extract(source: Source) -> Extraction:
    """The subject is a heading, the other headers a paragraph; attachments are named.

    Raises:
        EncryptedDocument: the body is encrypted (S/MIME or PGP).
    """
    message = _message(source)
    if message.get_content_type() in _ENCRYPTED and not _only_signed(message):
        raise EncryptedDocument(
            "The mail is encrypted by S/MIME or PGP: only its reader's own key opens it."
        )
    subject = _header(message, "Subject")
    blocks = [Block("heading", subject, level=1)] if subject else []
    headers = [f"{name}: {text}" for name in _HEADERS if (text := _header(message, name))]
    if headers:
        blocks.append(Block("paragraph", "\n".join(headers)))
    blocks += _body(message, source)
    if names := [name for name, _ in _attachments(message)]:
        blocks.append(Block("paragraph", f"Attachments: {', '.join(names)}"))
    return Extraction(blocks, title=subject)


def attached(source: Source) -> Iterator[Member]:
    """The mail's attachments, forwarded mails among them.

    Pictures that belong to the text, having no name, and signatures are left out.

    Raises:
        LimitExceeded: too many.
    """
    parts = _attachments(_message(source))
    if len(parts) > MAX_FILES_INSIDE:
        raise LimitExceeded(
            f"The mail has {len(parts):,} attachments, more than the limit of {MAX_FILES_INSIDE:,}."
        )
    for name, part in parts:
        source.check_time()
        if data := _payload(part):
            yield Member(name, len(data), partial(bytes, data))


def _message(source: Source) -> EmailMessage:
    data = source.data
    if data.startswith(_WIDE_MARKS) or b"\0" in data[:64]:
        data = decode(data).encode("utf-8", "replace")
    message = BytesParser(policy=policy.default).parsebytes(data.lstrip())
    _check_headers(message)
    return message


def _check_headers(message: EmailMessage) -> None:
    """The standard parser takes memory by the square of a header, once somebody looks at it."""
    for part in message.walk():
        if sum(len(value) for _, value in part.raw_items()) > MAX_MAIL_HEADER:
            raise LimitExceeded(
                f"The mail has headers of more than {MAX_MAIL_HEADER // 1024} KiB; save its text "
                "and upload that."
            )


def _only_signed(message: EmailMessage) -> bool:
    return "signed-data" in str(message.get_param("smime-type", ""))


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = message.get(name, "")
    except Exception:  # the standard parser trips over malformed headers in many ways
        value = next((v for key, v in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(str(value).split())


def _body(message: EmailMessage, source: Source) -> list[Block]:
    """Plain text wherever it is given, else HTML; every inline text part, in order."""
    blocks: list[Block] = []
    for part in _texts(message):
        source.check_time()
        text = _content(part)
        if part.get_content_subtype() == "html":
            blocks += web.read(text, source)[0]
        else:
            blocks += plain.paragraphs(text.replace("\r\n", "\n"))
    return blocks


def _texts(message: EmailMessage) -> list[EmailMessage]:
    kind = message.get_content_type()
    if message.is_attachment() or message.get_filename() or kind == "message/rfc822":
        return []
    if kind == "multipart/alternative":
        options = [texts for part in _parts(message) if (texts := _texts(part))]
        plain_first = sorted(options, key=lambda texts: texts[0].get_content_subtype() == "html")
        return next((texts for texts in plain_first if any(map(_has_text, texts))), [])
    if message.is_multipart():
        return [text for part in _parts(message) for text in _texts(part)]
    return [message] if message.get_content_maintype() == "text" else []


def _parts(message: EmailMessage) -> list[EmailMessage]:
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def _has_text(part: EmailMessage) -> bool:
    return bool(_content(part).strip())


def _content(part: EmailMessage) -> str:
    """Decoded as declared if that fits, else as it looks."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return str(part.get_payload())
    return decode(payload, part.get_content_charset() or "")


def _attachments(message: EmailMessage) -> list[tuple[str, EmailMessage]]:
    """The parts that are files of their own, each with a name of its own."""
    parts = [part for part in _leaves(message) if part is not message and _is_file(part)]
    named = numbered(_name(part, number) for number, part in enumerate(parts, start=1))
    return list(zip(named, parts, strict=True))


def _leaves(message: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that hold no parts; a forwarded mail is one, whatever it holds."""
    stack = [message]
    while stack:
        part = stack.pop()
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            stack += reversed(_parts(part))
        else:
            yield part


def _is_file(part: EmailMessage) -> bool:
    kind = part.get_content_type()
    if kind in _SIGNATURES:
        return False
    return bool(part.get_filename()) or part.is_attachment() or kind == "message/rfc822"


def _name(part: EmailMessage, number: int) -> str:
    if given := part.get_filename():
        return clean_path(str(given).replace("/", "_").replace("\\", "_"))
    if part.get_content_type() == "message/rfc822":
        inner = next(iter(_parts(part)), None)
        subject = _header(inner, "Subject") if inner is not None else ""
        return clean_path(f"{(subject or f'mail {number}').replace('/', '_')[:100]}.eml")
    return f"attachment {number}{guess_extension(part.get_content_type()) or ''}"


def _payload(part: EmailMessage) -> bytes:
    """An attachment's bytes; of a forwarded mail, its own."""
    if part.get_content_type() == "message/rfc822":
        inner = next(iter(_parts(part)), None)
        return inner.as_bytes(policy=policy.compat32) if inner is not None else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
