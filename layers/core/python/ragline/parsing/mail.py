"""Mail messages (EML): who, when, what; the body; the names of what is attached."""

from __future__ import annotations

import codecs
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import EncryptedDocument, LimitExceeded
from ragline.parsing import plain, web
from ragline.parsing.decoding import decode
from ragline.parsing.limits import MAX_MAIL_HEADER, Source

_HEADERS = ("From", "To", "Cc", "Date")
_ENCRYPTED = frozenset(
    {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def extract(source: Source) -> Extraction:
    """The subject is a heading, the other headers a paragraph; attachments are not opened.

    Raises:
        EncryptedDocument: the body is encrypted (S/MIME or PGP).
    """
    data = source.data
    if data.startswith(_WIDE_MARKS) or b"\0" in data[:64]:
        data = decode(data).encode("utf-8", "replace")
    message = BytesParser(policy=policy.default).parsebytes(data.lstrip())
    _check_headers(message)
    if message.get_content_type() in _ENCRYPTED and not _only_signed(message):
        raise EncryptedDocument("The mail is encrypted; save it decrypted and upload that.")
    subject = _header(message, "Subject")
    blocks = [Block("heading", subject, level=1)] if subject else []
    headers = [f"{name}: {text}" for name in _HEADERS if (text := _header(message, name))]
    if headers:
        blocks.append(Block("paragraph", "\n".join(headers)))
    blocks += _body(message, source)
    if names := _attachments(message):
        blocks.append(Block("paragraph", f"Attachments: {', '.join(names)}"))
    return Extraction(blocks, title=subject)


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


def _attachments(message: EmailMessage) -> list[str]:
    names = []
    for part in message.walk():
        name = part.get_filename()
        if name and part is not message:
            names.append(" ".join(name.split()))
    return names
