"""What users do, while workers die: each scenario ends before the world is at rest again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tests.faults.model import POISON
from tests.faults.world import Version, World, key_of

PARAGRAPHS = 3
"""Two parts."""


@cache
def story(marker: str, paragraphs: int = PARAGRAPHS, poison: int = -1) -> Version:
    """One chunk to each paragraph; paragraph ``poison`` has a word that the model cannot take."""
    words = [f"{marker} {_filler(marker, n)}" for n in range(paragraphs)]
    if poison >= 0:
        words[poison] += f" {POISON}"
    return Version(marker, "story.md", "\n\n".join(words).encode())


@cache
def leaflet(marker: str, pages: int = 3) -> Version:
    """A PDF that is cut page by page."""
    from fpdf import FPDF

    document = FPDF()
    for n in range(pages):
        document.add_page()
        document.set_font("Helvetica", size=11)
        document.multi_cell(0, 6, f"{marker} {_filler(marker, n)}.")
    return Version(marker, "leaflet.pdf", bytes(document.output()))


def _filler(marker: str, n: int) -> str:
    return " ".join(f"{marker[:3]}{n}word{i}" for i in range(13))


def upload(world: World) -> None:
    world.upload("doc", story("amber"))


def upload_several(world: World) -> None:
    for name, marker in {"one": "amber", "two": "cobalt", "three": "scarlet"}.items():
        world.upload(name, story(marker))


def upload_of_ranges(world: World) -> None:
    world.upload("doc", leaflet("amber"))


def drop(world: World) -> None:
    world.drop(story("amber"))


def replace(world: World) -> None:
    with world.calmly():
        world.upload("doc", story("amber"))
    world.upload("doc", story("cobalt"))


def replace_under_way(world: World) -> None:
    with world.calmly():
        world.upload("doc", story("amber"))
    world.upload("doc", story("cobalt"))
    world.cloud.deliver(steps=3)
    world.upload("doc", story("jade", 2))


def shrink_to_nothing(world: World) -> None:
    with world.calmly():
        world.upload("doc", story("amber"))
    world.put(key_of("doc", story("amber")), BLANK)
    world.holds["doc"] = BLANK


def delete(world: World) -> None:
    with world.calmly():
        world.upload("doc", story("amber"))
        world.upload("other", story("cobalt"))
    world.delete("doc")


def delete_at(steps: int) -> Callable[[World], None]:
    def delete_under_way(world: World) -> None:
        world.upload("doc", story("amber"))
        world.cloud.deliver(steps=steps)
        world.delete("doc")

    return delete_under_way


def remove_under_way(world: World) -> None:
    world.upload("doc", leaflet("amber"))
    world.cloud.deliver(steps=2)
    world.remove("doc", key_of("doc", leaflet("amber")))


def delete_and_upload_again(world: World) -> None:
    with world.calmly():
        world.upload("doc", story("amber"))
    world.delete("doc")
    world.upload("doc", story("cobalt", 5))


def delete_under_way_and_upload_again(world: World) -> None:
    world.upload("doc", story("amber"))
    world.cloud.deliver(steps=2)
    world.delete("doc")
    world.upload("doc", story("cobalt", 5))


def retry(world: World) -> None:
    with world.calmly():
        world.upload("doc", story("amber", poison=2))
    world.cloud.model.refuses = None
    world.retry("doc")


def twins(world: World) -> None:
    world.upload("one", story("amber"))
    world.upload("two", story("amber"))


def twins_without_checksums(world: World) -> None:
    world.twins = {"one", "two"}
    world.upload("one", story("amber"), checksum=False)
    world.upload("two", story("amber"), checksum=False)


BLANK = Version("blank", "story.md", b" \n\t\n")

SCENARIOS: dict[str, Callable[[World], None]] = {
    "upload": upload,
    "upload_of_ranges": upload_of_ranges,
    "drop": drop,
    "replace": replace,
    "replace_under_way": replace_under_way,
    "shrink_to_nothing": shrink_to_nothing,
    "delete": delete,
    "delete_after_1": delete_at(1),
    "delete_after_2": delete_at(2),
    "delete_after_3": delete_at(3),
    "remove_under_way": remove_under_way,
    "delete_and_upload_again": delete_and_upload_again,
    "delete_under_way_and_upload_again": delete_under_way_and_upload_again,
    "retry": retry,
    "twins": twins,
    "twins_without_checksums": twins_without_checksums,
    "upload_several": upload_several,
}
