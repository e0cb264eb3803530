"""Parts: runs of up to sixteen consecutive chunks, kept as gzipped JSON Lines; and their vectors.

Chunks are kept so that a retry, a new model or a rebuilt index never needs the upload again.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ragline.domain.chunks import CHUNKS_PER_PART, Chunk, Part
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
    lines = "".join(json.dumps(asdict(chunk), ensure_ascii=False) + "\n" for chunk in chunks)
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
        return [Chunk(**{**row, "headings": tuple(row["headings"])}) for row in rows]
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise StoredDataLost(_lost("chunks", "damaged")) from error


def write_vectors(
    objects: Objects,
    part: Part,
    fingerprint: str,
    ordinals: list[int],
    vectors: NDArray[np.float32],
) -> str:
    """Keep ``(n, d)`` vectors as float16 beside the ordinals they belong to; returns the key.

    The key is named by the content, so a repeated write changes nothing. NumPy's .npz, no pickle.
    """
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, ordinals=np.asarray(ordinals, np.int64), vectors=vectors.astype(np.float16))
    digest = hashlib.sha256(f"{ordinals}".encode() + vectors.tobytes()).hexdigest()[:32]
    key = vectors_key(part.partition, part.document_id, part.generation, fingerprint, digest)
    objects.put(key, buffer.getvalue())
    return key


def read_vectors(objects: Objects, key: str) -> dict[int, NDArray[np.float32]]:
    """Ordinal → vector of a stored object. Raises as ``read_part``."""
    import numpy as np

    data = _stored(objects, key, "vectors")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            vectors = stored["vectors"].astype(np.float32)
            return dict(zip(stored["ordinals"].tolist(), vectors, strict=True))
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, KeyError) as error:
        raise StoredDataLost(_lost("vectors", "damaged")) from error


def _stored(objects: Objects, key: str, what: str) -> bytes:
    data = objects.get(key)
    if data is None:
        raise StoredDataLost(_lost(what, "missing"))
    return data


def _lost(what: str, how: str) -> str:
    return f"the stored {what} are {how}; upload the document again."
