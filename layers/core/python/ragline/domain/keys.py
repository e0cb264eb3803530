"""Where things live in the documents bucket. Every key is built and read here, nowhere else.

uploads/{tenant}/{collection}/{document_id}/{filename}                        the user's bytes
chunks/{tenant}/{collection}/{document_id}/{generation}/{first}.jsonl.gz      one part
vectors/{tenant}/{collection}/{document_id}/{generation}/{fingerprint}-{sha}.npz
ocr/{tenant}/{collection}/{document_id}/{engine}/{sha}.json.gz                 a picture's text
index/                                                                        the vector index
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from ragline.domain.chunks import Part
from ragline.domain.documents import Partition, check_name, dropped_id, is_document_id
from ragline.domain.errors import InvalidRequest, MalformedMessage

MAX_FILENAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload's key says: whose it is and what it is called."""

    partition: Partition
    document_id: str
    filename: str


def clean_filename(name: str) -> str:
    """The last path component, in Unicode NFC; 1 to 255 bytes of UTF-8, no control characters."""
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1].strip()
    if not base or base in {".", ".."}:
        raise InvalidRequest(f"filename {name!r} has no name in it.")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in base):
        raise InvalidRequest(f"filename {name!r} has control characters; rename the file.")
    if len(base.encode()) > MAX_FILENAME_BYTES:
        raise InvalidRequest(
            f"filename is {len(base.encode())} bytes of UTF-8; at most {MAX_FILENAME_BYTES}."
        )
    return base


def upload_key(partition: Partition, document_id: str, filename: str) -> str:
    return f"uploads/{partition}/{document_id}/{filename}"


def parse_upload_key(key: str) -> Upload:
    """Read an upload's key.

    Files may be dropped with any S3 client: below ``uploads/{tenant}/{collection}/`` a path that is
    not ``{document_id}/{filename}`` names its document by a hash of the key, so that dropping it
    again replaces it; whether one that is names a document, only the ledger knows (``usecases.
    identify``). The filename is given in Unicode NFC, as ``clean_filename`` does.

    Raises:
        MalformedMessage: the key is not below a valid ``uploads/{tenant}/{collection}/``, or it is
            that of a folder, which S3's console keeps as an empty object.
    """
    parts = key.split("/", 3)
    if key.endswith("/"):
        raise MalformedMessage(f"object {key!r} stands for a folder, not for a file.")
    if len(parts) != 4 or parts[0] != "uploads":
        raise MalformedMessage(
            f"object {key!r} is not below uploads/{{tenant}}/{{collection}}/; move it there."
        )
    try:
        partition = Partition(check_name(parts[1], "tenant"), check_name(parts[2], "collection"))
    except InvalidRequest as error:
        raise MalformedMessage(f"object {key!r}: {error}") from error
    head, _, tail = parts[3].partition("/")
    filename = unicodedata.normalize("NFC", parts[3].rsplit("/", 1)[-1])
    if tail and "/" not in tail and is_document_id(head):
        return Upload(partition, head, filename)
    return Upload(partition, dropped_id(key), filename)


def document_prefixes(partition: Partition, document_id: str) -> tuple[str, str]:
    """Everything derived from a document by generation: its chunks and its vectors."""
    return f"chunks/{partition}/{document_id}/", f"vectors/{partition}/{document_id}/"


def recognised_prefix(partition: Partition, document_id: str) -> str:
    """Below it is what OCR read in a document's pictures, in all its generations."""
    return f"ocr/{partition}/{document_id}/"


def recognised_key(partition: Partition, document_id: str, fingerprint: str, digest: str) -> str:
    """Of the picture whose bytes have this SHA-256, as the engine of that fingerprint read it."""
    return f"{recognised_prefix(partition, document_id)}{fingerprint}/{digest}.json.gz"


def parse_recognised_key(key: str) -> tuple[Partition, str] | None:
    """The partition and the document that a result of OCR is of; None for any other key."""
    parts = key.split("/")
    if len(parts) != 6 or parts[0] != "ocr":
        return None
    return Partition(parts[1], parts[2]), parts[3]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the key of a chunks or vectors object says."""

    partition: Partition
    document_id: str
    generation: int
    name: str

    @property
    def fingerprint(self) -> str:
        """Of vectors, that of the model that they were embedded by; '' of chunks."""
        return self.name.rpartition("-")[0]


def parse_stored_key(key: str) -> Stored | None:
    """Read the key of a chunks or vectors object; None if it is neither's."""
    parts = key.split("/")
    if len(parts) != 6 or parts[0] not in {"chunks", "vectors"} or not parts[4].isdigit():
        return None
    return Stored(Partition(parts[1], parts[2]), parts[3], int(parts[4]), parts[5])


def part_key(part: Part) -> str:
    return f"chunks/{part.partition}/{part.document_id}/{part.generation}/{part.first:09d}.jsonl.gz"


def parts_prefix(partition: Partition, document_id: str, generation: int) -> str:
    """Below it are the parts of one generation; their keys sort by first ordinal."""
    return f"chunks/{partition}/{document_id}/{generation}/"


def part_first(key: str) -> int:
    """The first ordinal of the part that is kept at ``key``."""
    return int(key.rsplit("/", 1)[-1].split(".", 1)[0])


def vectors_key(
    partition: Partition, document_id: str, generation: int, fingerprint: str, digest: str
) -> str:
    return f"vectors/{partition}/{document_id}/{generation}/{fingerprint}-{digest}.npz"


def vectors_prefix(partition: Partition, document_id: str = "", generation: int = 0) -> str:
    """Below it are the vectors of a collection or of one generation, those of every model."""
    return f"vectors/{partition}/" + (f"{document_id}/{generation}/" if document_id else "")


def index_prefix() -> str:
    """Below it are the tables of the vector index, if that is in the bucket."""
    return "index/"


def parse_index_data_key(key: str) -> tuple[Partition, str] | None:
    """The partition and the fingerprint of the rows that a file of the index holds; None for any
    other key.

    The rows of a partition that one model embedded are a Lance table, whose files are
    ``index/{tenant}.{collection}.{fingerprint}.lance/data/…``.
    """
    parts = key.split("/")
    names = parts[1].removesuffix(".lance").split(".") if len(parts) == 4 else []
    if len(names) != 3 or parts[0] != "index" or parts[2] != "data":
        return None
    return Partition(names[0], names[1]), names[2]


def just_after(sequencer: str) -> str:
    """A sequencer after this one and before every later one of the bucket's own.

    For an upload that is in the bucket though its event never came.
    """
    return normal_sequencer(sequencer) + "0"


def normal_sequencer(sequencer: str) -> str:
    """S3 sequencers compare as hexadecimal numbers of unequal length: pad them to compare as text.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    return sequencer.upper().zfill(32)
