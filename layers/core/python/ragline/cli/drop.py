"""`ragline migrate --drop`: remove the index of a model that answers no more."""

from __future__ import annotations

import typer
from rich.text import Text

from ragline.cli import exits
from ragline.cli.doctor import kinds, lasting
from ragline.cli.migration_target import Target
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.cli.stack_ports import StackPorts
from ragline.cli.waiting import wait
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import Conflict, NotFound
from ragline.domain.messages import Drop, new_nonce
from ragline.domain.times import utc_now
from ragline.usecases.doctor import Report, examine_rows


def drop(
    fingerprint: str,
    target: Target,
    ports: StackPorts,
    deployed: str,
    collection: str | None,
    dry_run: bool,
    outside: Outside,
    screen: Screen,
) -> None:
    """Remove it from the target's store; from the deployed one by the queue, vectors and all.

    Raises:
        Conflict: it is in use, or the one that answers instead lacks something.
        NotFound: there is none.
    """
    check_name(fingerprint, "fingerprint")
    if fingerprint == deployed and not target.direct:
        raise Conflict(f"{fingerprint} is the model that is deployed: its index answers queries.")
    found = [
        partition
        for partition in target.indexes.partitions()
        if collection in {None, partition.collection}
        and fingerprint in target.indexes.fingerprints(partition)
    ]
    if not found:
        raise NotFound(f"{target.store} has no index by model {fingerprint}. {_known(target)}")
    _check_replacement(ports, deployed, collection, outside, screen)
    if not dry_run:
        _remove(fingerprint, found, target, ports)
    waiting = 0
    if not dry_run and not target.direct:
        screen.say("waiting for the indexer")
        waiting = wait(ports.queues, outside, while_it_moves=True)
    left = [one for one in found if fingerprint in target.indexes.fingerprints(one)]
    screen.give(
        {
            "dropped": fingerprint,
            "store": target.store,
            "collections": [str(one) for one in found],
            "left": [str(one) for one in left],
            "waiting_messages": waiting,
            "dry_run": dry_run,
        }
    )
    verb = "would be removed" if dry_run else "was removed" if not left else "is being removed"
    screen.show(Text(f"{fingerprint} {verb} from {', '.join(map(str, found))}."))
    if left and not dry_run:
        screen.show(Text("The indexer has not done it yet; `ragline logs indexer` may say why."))
        raise typer.Exit(exits.FAILED)


def _check_replacement(
    ports: StackPorts, deployed: str, collection: str | None, outside: Outside, screen: Screen
) -> None:
    """The deployed index must have it all: also what was embedded by the old model and is still on
    its way, which would find its vectors gone.
    """
    screen.say(f"comparing the index of {deployed}, which answers, with the ledger")
    if waiting := wait(ports.queues, outside):
        raise Conflict(f"the queues are not empty ({waiting} to go): drop it when they are.")

    def examined() -> Report:
        return examine_rows(
            ledger=ports.ledger,
            indexes=ports.indexes,
            fingerprint=deployed,
            now=utc_now(),
            collection=collection,
        )

    report = lasting(examined)
    if not report.healthy:
        raise Conflict(
            f"the index of {deployed}, which answers, is not complete ({kinds(report.findings)}): "
            "`ragline migrate` completes it, `ragline doctor` tells more."
        )


def _remove(fingerprint: str, found: list[Partition], target: Target, ports: StackPorts) -> None:
    if target.direct:
        for partition in found:
            target.indexes.drop(partition, fingerprint)
        return
    nonce = new_nonce()
    ports.queues.send_ops(
        [
            Drop(nonce=nonce, tenant=one.tenant, collection=one.collection, fingerprint=fingerprint)
            for one in found
        ]
    )


def _known(target: Target) -> str:
    known = {
        name for one in target.indexes.partitions() for name in target.indexes.fingerprints(one)
    }
    return f"There are: {', '.join(sorted(known)) or 'none'}."
