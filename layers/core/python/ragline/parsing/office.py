"""Office files under a password: an OLE2 container around an encrypted package."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from ragline.domain.errors import EncryptedDocument, LimitExceeded
from ragline.parsing.limits import Source
from ragline.parsing.refusals import OLE2, is_locked_office

_OF_EXCEL = "VelvetSweatshop"
"""What Excel encrypts a workbook with that is only protected against changes: it opens without
being asked. https://learn.microsoft.com/openspecs/office_file_formats/ms-offcrypto, 2.4.2.3"""

_SPINS = re.compile(rb'spinCount="(\d+)"')
_MAX_SPINS = 1_000_000
"""Rounds of hashing a password; Office takes 100,000, and the file says how many."""


def unlocked(source: Source) -> Source:
    """The source with its package decrypted, if it is an encrypted office file; else as it is.

    Raises:
        EncryptedDocument: no password was given, or it is wrong, or the method is not known.
        LimitExceeded: trying the password would take too long.
    """
    if not source.head.startswith(OLE2) or not is_locked_office(source.data):
        return source
    return replace(source, file=_decrypted(source.data, source.password))


def _decrypted(data: bytes, password: str) -> bytes:
    from msoffcrypto import OfficeFile
    from msoffcrypto.exceptions import InvalidKeyError

    plain = io.BytesIO()
    try:
        _check_spins(data)
        file = OfficeFile(io.BytesIO(data))
        file.load_key(password=password or _OF_EXCEL, verify_password=True)
        file.decrypt(plain)
    except LimitExceeded:
        raise
    except InvalidKeyError as error:
        raise EncryptedDocument(_told(password, "the password does not open it")) from error
    except Exception as error:  # the library meets damaged containers with any error at all
        unknown = "it is damaged, or encrypted by a method that is not known"
        raise EncryptedDocument(_told(password, unknown)) from error
    return plain.getvalue()


def _told(password: str, why: str) -> str:
    return f"The office file is encrypted, and {why if password else 'no password was given'}."


def _check_spins(data: bytes) -> None:
    from olefile import OleFileIO

    with OleFileIO(io.BytesIO(data)) as container:
        found = _SPINS.search(container.openstream("EncryptionInfo").read())
    if found and int(found[1]) > _MAX_SPINS:
        raise LimitExceeded(
            f"The office file asks for {int(found[1]):,} rounds of hashing its password; the limit "
            f"is {_MAX_SPINS:,}."
        )
