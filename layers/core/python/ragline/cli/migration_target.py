"""Which index a migration fills: of which model, in which store, and who may write it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from ragline.cli.stack_ports import LANCEDB, PINECONE, Pinecone, StackPorts
from ragline.domain.errors import InvalidRequest
from ragline.embedding.model import Card, read_card
from ragline.ports import Indexes, VectorIndex


class Store(StrEnum):
    LANCEDB = LANCEDB
    PINECONE = PINECONE


@dataclass(frozen=True, slots=True)
class Target:
    """``model_dir`` is where its model is, None if no text is to be embedded; ``deployed`` the
    fingerprint of the model that answers now. ``direct``: the deployed indexer does not write it.
    """

    indexes: Indexes
    store: str
    fingerprint: str
    deployed: str
    direct: bool
    model_dir: Path | None = None

    @property
    def index(self) -> VectorIndex:
        return self.indexes.of(self.fingerprint)

    @property
    def name(self) -> str:
        return f"the index of {self.fingerprint} in {self.store}"

    @property
    def advice(self) -> str:
        """What to do when it is complete."""
        switches = [f"IndexStore={self.store}"] if self.direct else []
        if self.fingerprint != self.deployed:
            switches.append("the ModelDir of this model")
        if not switches:
            return "It is the one that answers."
        return f"Deploy with {' and '.join(switches)}, then give the same command again."


def check_asked(model: Path | None, to: Store | None, verify: bool, drop: str | None) -> None:
    """Raises BadParameter if the options say nothing, or too much."""
    if drop is not None and (model or verify):
        raise typer.BadParameter("--drop goes without --model and --verify.")
    if drop == "":
        raise typer.BadParameter("--drop is empty: name a model by its fingerprint.")
    if not (model or to or verify or drop):
        raise typer.BadParameter("give --model, --to or both; or --verify, or --drop.")


def target_of(
    ports: StackPorts,
    deployed: str,
    model: Path | None,
    to: Store | None,
    place: Pinecone,
    collection: str | None,
) -> Target:
    """What the options name.

    Raises:
        SetupError: there is no model in the folder, or the store cannot be reached.
        InvalidRequest: it is the deployed model, and there is nothing to catch up on; the store
            cannot hold the model's vectors; or the options do not go together.
    """
    store = str(to or ports.store)
    card = read_card(model) if model else None
    fingerprint = card.fingerprint if card else deployed
    elsewhere = store != ports.store or place.address not in {"", ports.pinecone.address}
    if place.host and store != PINECONE:
        raise InvalidRequest("--pinecone-host is for --to pinecone.")
    if place.secret_arn and not place.host:
        raise InvalidRequest("--pinecone-secret goes with --pinecone-host.")
    indexes = ports.other(store, place) if elsewhere else ports.indexes
    if card:
        _check_length(indexes, card, store)
    if model and not elsewhere and fingerprint == deployed:
        _check_others(indexes, fingerprint, model, collection)
    return Target(indexes, store, fingerprint, deployed, elsewhere, model)


def _check_length(indexes: Indexes, card: Card, store: str) -> None:
    """Before anything is embedded for a store that could not keep it."""
    held = indexes.length()
    if held is not None and held != card.dimensions:
        raise InvalidRequest(
            f"{card.fingerprint} makes vectors of {card.dimensions} numbers, and the {store} index "
            f"holds vectors of {held}: make another index, and name it by --pinecone-host."
        )


def _check_others(indexes: Indexes, fingerprint: str, model: Path, collection: str | None) -> None:
    """To migrate to the deployed model is to catch up, if it was migrated to from another one."""
    for partition in indexes.partitions():
        others = set(indexes.fingerprints(partition)) - {fingerprint}
        if others and collection in {None, partition.collection}:
            return
    raise InvalidRequest(
        f"the model in {model}, {fingerprint}, is the one that is deployed, and no documents are "
        "indexed by another: there is nothing to migrate."
    )
