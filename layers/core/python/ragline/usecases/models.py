"""Which embedding model a collection was indexed by, and whether it is the one that asks."""

from __future__ import annotations

from ragline.domain.documents import Partition
from ragline.domain.errors import ModelMismatch
from ragline.ports import Indexes


def check_model(partition: Partition, fingerprint: str, *, indexes: Indexes) -> None:
    """Call it when a search found nothing at all: that may be since all is by another model.

    A collection of which some rows are by the deployed model passes: the doctor finds the others.

    Raises:
        ModelMismatch: the collection has rows, but none by the model of this fingerprint.
    """
    if indexes.of(fingerprint).count(partition):
        return
    others = [
        other
        for other in indexes.fingerprints(partition)
        if other != fingerprint and indexes.of(other).count(partition)
    ]
    if others:
        raise ModelMismatch(
            f"collection {partition.collection!r} was indexed by the embedding model "
            f"{' and '.join(others)}, and {fingerprint} is deployed, which has no rows of it: "
            "`ragline migrate --model DIR`, with the deployed model's folder, embeds it anew; or "
            "deploy the model that it was indexed by."
        )
