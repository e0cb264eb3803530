"""Parts: runs of up to sixteen consecutive chunks, kept as gzipped JSON Lines; and their vectors.

Chunks are kept so that a retry, a new model or a rebuilt index never needs the upload again.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragline.domain.chunks import CHUNKS_PER_PART, Chunk, Part, Section
from ragline.domain.errors import StoredDataLost
from ragline.domain.keys import part_key, vectors_key
from ragline.ports import Objects

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def cut_parts(base: Part, chunks: Sequence[Chunk]) -> Iterator[tuple[Part, Sequence[Chunk]]]:
    """Group consecutive chunks into parts like ``base``, which says whose they are."""
    for at in range(0, len(chunks), CHUNKS_PER_PART):
        run = chunks[at : at + CHUNKS_PER_PART]
        first = run[0].ordinal
        yield (
            Part(base.partition, base.document_id, base.generation, first, len(run)),
            run,
        )


def write_part(objects: Objects, part: Part, chunks: Sequence[Chunk]) -> None:
    lines = "".join(json.dumps(_kept(chunk), ensure_ascii=False) + "\n" for chunk in chunks)
    # mtime=0: the same chunks are the same bytes, whoever writes them and whenever.
    objects.put(part_key(part), gzip.compress(lines.encode(), mtime=0), "application/gzip")


def read_part(objects: Objects, part: Part) -> list[Chunk]:
    """The part's chunks in order.

    Raises:
        StoredDataLost: it is not (or no longer) there, or not what ``write_part`` wrote.
    """
    data = _stored(objects, part_key(part), "chunks")
    # As bytes: text would be cut at every Unicode line separator too, which JSON leaves as it is.
    try:
        rows = [json.loads(line) for line in gzip.decompress(data).splitlines() if line]
        if not rows:
            raise ValueError("a part holds one chunk at least")
        return [_chunk(row) for row in rows]
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise StoredDataLost(_lost("chunks", "damaged")) from error


def _kept(chunk: Chunk) -> dict[str, Any]:
    kept = asdict(chunk)
    if chunk.section is None:
        del kept["section"]
    return kept


def _chunk(row: dict[str, Any]) -> Chunk:
    section = Section(**row["section"]) if "section" in row else None
    return Chunk(**{**row, "headings": tuple(row["headings"]), "section": section})


def text_digest(text: str) -> bytes:
    """Names an embedded text among those of its document: 16 bytes."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def write_vectors(
    objects: Objects,
    part: Part,
    fingerprint: str,
    chunks: Sequence[Chunk],
    vectors: Sequence[NDArray[np.float32]],
) -> str:
    """Keep the vectors of these chunks, one each, as float16 under their ordinals and text digests.

    Returns the key. It is named by the content, so a repeated write changes nothing, whether the
    vectors were made anew or read from such an object. NumPy's .npz, no pickle.
    """
    import numpy as np

    ordinals = [chunk.ordinal for chunk in chunks]
    digests = b"".join(text_digest(chunk.searched) for chunk in chunks)
    halves = np.asarray(vectors, np.float16)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        ordinals=np.asarray(ordinals, np.int64),
        vectors=halves,
        digests=np.frombuffer(digests, np.uint8).reshape(-1, 16),
    )
    name = hashlib.sha256(f"{ordinals}".encode() + digests + halves.tobytes()).hexdigest()[:32]
    key = vectors_key(part.partition, part.document_id, part.generation, fingerprint, name)
    objects.put(key, buffer.getvalue())
    return key


def read_vectors(objects: Objects, key: str) -> dict[int, NDArray[np.float32]]:
    """Ordinal → vector of a stored object. Raises as ``read_part``."""
    import numpy as np

    with _arrays(objects, key) as stored:
        vectors = stored["vectors"].astype(np.float32)
        return dict(zip(stored["ordinals"].tolist(), vectors, strict=True))


def read_vectors_by_text(objects: Objects, key: str, dimensions: int) -> dict[bytes, bytes]:
    """Text digest → the bytes of its float16 vector; of an object without digests, nothing.

    Raises:
        StoredDataLost: as ``read_part``, and if the vectors have not so many dimensions.
    """
    import numpy as np

    with _arrays(objects, key) as stored:
        if "digests" not in stored:
            return {}
        digests, vectors = stored["digests"], stored["vectors"].astype(np.float16, copy=False)
        if digests.shape != (len(vectors), 16) or vectors.shape != (len(digests), dimensions):
            raise ValueError("digests and vectors do not match")
        rows = (vector.tobytes() for vector in vectors)
        return dict(zip((digest.tobytes() for digest in digests), rows, strict=True))


@contextmanager
def _arrays(objects: Objects, key: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """What is stored at ``key``; what goes wrong in making sense of it means that it is damaged."""
    import numpy as np

    data = _stored(objects, key, "vectors")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            yield stored
    except Exception as error:  # NumPy's and zipfile's have no common base
        raise StoredDataLost(_lost("vectors", "damaged")) from error


def _stored(objects: Objects, key: str, what: str) -> bytes:
    data = objects.get(key)
    if data is None:
        raise StoredDataLost(_lost(what, "missing"))
    return data


def _lost(what: str, how: str) -> str:
    return f"the stored {what} are {how}; upload the document again."
