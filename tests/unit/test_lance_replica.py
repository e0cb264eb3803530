"""A reader's copy of the index: always the latest version, whole, bounded, and dispensable."""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ragline import wiring
from ragline.adapters.lance import copies as lance_copies
from ragline.adapters.lance import fetching as lance_fetching
from ragline.adapters.lance import replica as lance_replica
from ragline.adapters.lance import store as lance_store
from ragline.adapters.lance import upkeep as lance_upkeep
from ragline.adapters.lance.files import RemoteFile, is_needed
from ragline.adapters.lance.index import LanceIndex, LanceIndexes
from ragline.adapters.lance.replica import Replica
from ragline.domain.errors import ServiceUnavailable, SetupError
from ragline.settings import Settings
from tests.contract.test_vector_index import (
    ACME,
    ALL,
    OTHER,
    VectorIndexContract,
    X,
    ids,
    row,
    seen,
)

TABLE = "acme.handbook.m"
OTHER_TABLE = "acme.letters.m"


class FolderFiles:
    """Tables in a folder instead of a bucket; counts what is asked, and fails when told to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.asked: Counter[str] = Counter()
        self.fetched: set[tuple[str, int]] = set()
        self.failing = ""

    def list(self, table: str, below: str = "", limit: int = 0) -> Sequence[RemoteFile]:
        self.asked["LIST"] += 1
        folder = self._root / f"{table}.lance"
        found = []
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name.startswith(below):
                status = path.stat()
                tag = f"{name} {status.st_ino} {status.st_mtime_ns}"
                found.append(RemoteFile(name, status.st_size, tag))
        return found[:limit] if limit else found

    def read(self, table: str, name: str, start: int, end: int) -> bytes:
        self.asked["GET"] += 1
        self.asked["BYTES"] += end - start
        self.fetched.add((name, start))
        if self.failing and self.failing in name:
            raise OSError("connection reset")
        return (self._root / f"{table}.lance" / name).read_bytes()[start:end]


class World:
    """A store with a writer, and readers that share a folder for their copies."""

    def __init__(self, folder: Path) -> None:
        self.store, self.copies = folder / "store", folder / "copies"
        self.store.mkdir()
        self.files = FolderFiles(self.store)
        self.writer = LanceIndexes(str(self.store)).of("m")
        self.replica, self.reader = self.another_reader()

    def another_reader(self, max_bytes: int = 2**30) -> tuple[Replica, LanceIndex]:
        replica = Replica(self.files, self.copies, max_bytes)
        return replica, LanceIndexes(str(self.store), replica=replica).of("m")

    def reads_the_copy(self, reader: LanceIndex | None = None) -> bool:
        """Whether the reader answers without opening the table that is in the store."""
        handles = (reader or self.reader)._tables._handles
        handles.clear()
        seen(reader or self.reader, ALL)
        return not handles


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(lance_replica, "ASKED_OFTEN", 1)
    return World(tmp_path)


class TestReplicatedLanceIndex(VectorIndexContract):
    @pytest.fixture
    def index(self, world: World) -> LanceIndex:
        return world.reader


def test_every_commit_is_seen_at_the_next_query(world: World) -> None:
    assert seen(world.reader, ALL) == set()
    for n in range(6):
        world.writer.upsert(ACME, [row(f"d{n}")])
        assert seen(world.reader, ALL) == {f"d{i}" for i in range(n + 1)}
        assert world.reads_the_copy()
    world.writer._tables.run(ACME, lance_upkeep.fold)
    world.writer.delete(ACME, "d0")
    assert seen(world.reader, ALL) == {f"d{i}" for i in range(1, 6)}
    assert world.reads_the_copy()


def test_a_query_of_an_unchanged_table_asks_the_storage_once_a_leg(world: World) -> None:
    world.writer.upsert(ACME, [row("a"), row("b")])
    seen(world.reader, ALL)
    world.files.asked.clear()
    seen(world.reader, ALL)
    assert world.files.asked == {"LIST": 2}
    assert world.reads_the_copy()


def test_a_new_version_costs_its_new_files_only(world: World) -> None:
    world.writer.upsert(ACME, [row("big", n, text=f"fox {n} " * 200) for n in range(500)])
    seen(world.reader, ALL)
    before = set(world.files.fetched)
    world.files.fetched.clear()
    world.writer.upsert(ACME, [row("small")])
    assert "small" in {hit.document_id for hit in world.reader.bm25(ACME, "quick", 9, ALL)}
    assert any(name.startswith("data/") for name, _ in before)
    assert any(name.startswith("data/") for name, _ in world.files.fetched)
    assert not before & world.files.fetched


def test_what_no_version_needs_any_more_is_removed(world: World) -> None:
    for n in range(5):
        world.writer.upsert(ACME, [row(f"d{n}")])
        seen(world.reader, ALL)
    world.writer._tables.run(ACME, lance_upkeep.fold)
    seen(world.reader, ALL)
    here = world.copies / f"{TABLE}.lance"
    assert len(list((here / "_versions").iterdir())) == 1
    assert len(list((here / "data").iterdir())) == 1
    assert not list(world.copies.glob("*.part*"))


def test_a_large_copy_is_made_beside_the_queries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_replica, "INLINE_BYTES", 0)
    world.writer.upsert(ACME, [row("a")])
    assert seen(world.reader, ALL) == {"a"}
    world.replica._filling[TABLE].join(10)
    assert world.reads_the_copy()


def test_a_table_that_is_too_large_is_read_where_it_is(world: World) -> None:
    world.writer.upsert(ACME, [row("a")])
    _, reader = world.another_reader(max_bytes=100)
    assert seen(reader, ALL) == {"a"}
    assert not world.reads_the_copy(reader)
    assert not (world.copies / f"{TABLE}.lance" / "data").exists()


@pytest.fixture
def cramped(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Replica, LanceIndex]:
    """Two tables, a copy of the first, and room for one of them."""
    monkeypatch.setattr(lance_replica, "AGAIN_SECONDS", 0)
    many = [row("a", n, text=f"fox {n}") for n in range(100)]
    world.writer.upsert(ACME, many)
    world.writer.upsert(OTHER, many)
    seen(world.reader, ALL)
    size = lance_copies._bytes(world.copies / f"{TABLE}.lance")
    return world.another_reader(max_bytes=int(size * 1.5))


def test_a_copy_that_nobody_uses_gives_way_to_a_table_that_is_asked_for_often(
    world: World, cramped: tuple[Replica, LanceIndex]
) -> None:
    _, reader = cramped
    for _ in range(lance_replica.GIVES_WAY // 2):
        assert (world.copies / f"{TABLE}.lance").exists()
        assert seen(reader, ALL, OTHER) == {"a"}
    assert not (world.copies / f"{TABLE}.lance").exists()
    assert (world.copies / f"{OTHER_TABLE}.lance" / "data").exists()
    assert seen(reader, ALL) == {"a"}


def test_tables_that_do_not_fit_together_do_not_drive_one_another_out(
    world: World, cramped: tuple[Replica, LanceIndex]
) -> None:
    _, reader = cramped
    world.files.fetched.clear()
    for _ in range(2 * lance_replica.GIVES_WAY):
        assert seen(reader, ALL) == seen(reader, ALL, OTHER) == {"a"}
    assert world.reads_the_copy(reader)
    assert not {name for name, _ in world.files.fetched if name.startswith("data/")}


def test_no_copy_gives_way_in_vain(world: World, cramped: tuple[Replica, LanceIndex]) -> None:
    world.writer.upsert(OTHER, [row("big", n, text=f"fox {n} " * 99) for n in range(999)])
    _, reader = cramped
    for _ in range(2 * lance_replica.GIVES_WAY):
        assert reader.count(OTHER) == 1_099
    assert (world.copies / f"{TABLE}.lance" / "data").exists()


def test_a_copy_of_a_table_that_grew_too_large_makes_room_for_others(
    world: World, cramped: tuple[Replica, LanceIndex]
) -> None:
    _, reader = cramped
    assert seen(reader, ALL) == {"a"}
    world.writer.upsert(ACME, [row("big", n, text=f"fox {n} " * 99) for n in range(999)])
    assert reader.count(ACME) == 1_099
    assert not (world.copies / f"{TABLE}.lance").exists()
    for _ in range(2):
        seen(reader, ALL, OTHER)
    assert (world.copies / f"{OTHER_TABLE}.lance" / "data").exists()


def test_what_fails_half_way_is_not_seen_and_answered_from_the_storage(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.writer.upsert(ACME, [row("a")])
    world.files.failing = "data/"
    assert seen(world.reader, ALL) == {"a"}
    assert f"could not copy the index {TABLE}" in caplog.text
    assert not list(world.copies.glob(f"{TABLE}.lance/_versions/*"))
    world.files.failing = ""
    monkeypatch.setattr(lance_replica, "AGAIN_SECONDS", 0)
    world.replica._not_before.clear()
    assert world.reads_the_copy()


@pytest.fixture
def in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Copies a table with a file of many pieces, and fails at those of ``data/`` that ``lost``
    picks by where they start."""
    monkeypatch.setattr(lance_fetching, "PIECE_BYTES", 4_000)
    monkeypatch.setattr(lance_fetching, "WORKERS", 1)
    world.writer.upsert(ACME, [row("a", n, text=f"fox {n} " * 50) for n in range(300)])
    read = world.files.read

    def copied(replica: Replica, lost: Callable[[int], bool] = lambda start: False) -> bool:
        def reads(table: str, name: str, start: int, end: int) -> bytes:
            if table == TABLE and name.startswith("data/") and lost(start):
                raise OSError("frozen too long")
            return read(table, name, start, end)

        monkeypatch.setattr(world.files, "read", reads)
        replica._not_before.clear()
        world.files.fetched.clear()
        return replica.has_latest(TABLE)

    return copied


def from_third(start: int) -> bool:
    return start >= 12_000


def pieces_of_data(files: FolderFiles) -> set[tuple[str, int]]:
    return {piece for piece in files.fetched if piece[0].startswith("data/")}


def test_pieces_that_came_before_a_failure_are_not_fetched_again(
    world: World, in_pieces: Callable[..., bool]
) -> None:
    assert not in_pieces(world.replica, from_third)
    before = pieces_of_data(world.files)
    assert {start for _, start in before} == {0, 4_000, 8_000}
    assert in_pieces(world.replica)
    assert not before & world.files.fetched
    assert world.reads_the_copy()


def test_readers_that_fail_in_turn_leave_no_holes_in_a_file(
    world: World, in_pieces: Callable[..., bool]
) -> None:
    another, _ = world.another_reader()
    assert not in_pieces(world.replica, lambda start: start != 0)
    assert not in_pieces(another, lambda start: start != 4_000)
    assert in_pieces(world.replica)
    for copy in (world.copies / f"{TABLE}.lance").rglob("*.lance"):
        original = world.store / copy.relative_to(world.copies)
        assert copy.read_bytes() == original.read_bytes()
    assert world.reads_the_copy()


def test_pieces_whose_file_is_gone_are_fetched_again(
    world: World, in_pieces: Callable[..., bool]
) -> None:
    assert not in_pieces(world.replica, from_third)
    for path in world.copies.glob("*.parts/*"):
        path.unlink()
    assert in_pieces(world.replica)
    assert world.reads_the_copy()


def bytes_of_files(store: Path, table: str = "*") -> int:
    """Of all that is copied as it is."""
    folders = [*store.glob(f"{table}.lance/data"), *store.glob(f"{table}.lance/_indices")]
    return sum(lance_copies._bytes(folder) for folder in folders)


def disk_that_just_holds_the_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    size = bytes_of_files(world.store)

    def usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=size - lance_copies._bytes(world.copies))

    monkeypatch.setattr(lance_copies, "SPARE_BYTES", 0)
    monkeypatch.setattr("shutil.disk_usage", usage)


def test_a_file_that_is_partly_here_needs_room_for_the_rest_only(
    world: World, in_pieces: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_that_just_holds_the_files(world, monkeypatch)
    assert not in_pieces(world.replica, from_third)
    assert in_pieces(world.replica)


def test_parts_of_files_that_no_version_needs_any_more_take_no_room(
    world: World, in_pieces: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not in_pieces(world.replica, from_third)
    LanceIndexes(str(world.store)).drop(ACME, "m")
    world.writer.upsert(ACME, [row("new", n, text=f"hen {n} " * 50) for n in range(300)])
    disk_that_just_holds_the_files(world, monkeypatch)
    another, _ = world.another_reader()
    assert in_pieces(another), "nor do those of a process that died"
    assert not list(world.copies.glob("*.part*"))


def test_parts_of_a_table_that_gives_way_go_with_it(
    world: World, in_pieces: Callable[..., bool]
) -> None:
    assert not in_pieces(world.replica, from_third)
    world.writer.upsert(OTHER, [row("b", n) for n in range(300)])
    newest = world.replica._copies.newest(OTHER_TABLE)
    assert newest is not None
    room = bytes_of_files(world.store, OTHER_TABLE) + newest.size
    replica, _ = world.another_reader(max_bytes=room)
    assert replica.has_latest(OTHER_TABLE)
    assert not list(world.copies.glob("*.part*"))


def test_small_files_are_fetched_side_by_side(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        world.writer.upsert(ACME, [row(f"d{n}")])
    two, read = threading.Barrier(2), world.files.read

    def reads(table: str, name: str, start: int, end: int) -> bytes:
        if name.startswith("data/"):
            two.wait(5)
        return read(table, name, start, end)

    monkeypatch.setattr(world.files, "read", reads)
    assert world.replica.has_latest(TABLE)


def test_many_files_are_copied_beside_the_queries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_replica, "INLINE_FILES", 3)
    for n in range(4):
        world.writer.upsert(ACME, [row(f"d{n}")])
    assert not world.replica.has_latest(TABLE)
    world.replica._filling[TABLE].join(10)
    assert world.reads_the_copy()


def test_neither_leg_of_a_query_waits_for_what_is_copied_beside_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_replica, "INLINE_BYTES", 0)
    monkeypatch.setattr(lance_copies, "LOCK_SECONDS", 10.0)
    world.writer.upsert(ACME, [row("a")])
    both, answered, read = threading.Barrier(2), threading.Event(), world.files.read
    listing, data = world.files.list, Counter[str]()

    def lists(table: str, below: str = "", limit: int = 0) -> Sequence[RemoteFile]:
        if limit and not both.broken and threading.current_thread().name != "replica":
            both.wait(5)
        return listing(table, below, limit)

    def reads(table: str, name: str, start: int, end: int) -> bytes:
        if name.startswith("data/"):
            data[name] += 1
            answered.wait(20)
        return read(table, name, start, end)

    monkeypatch.setattr(world.files, "list", lists)
    monkeypatch.setattr(world.files, "read", reads)
    with ThreadPoolExecutor(2) as pool:
        legs = [pool.submit(world.replica.has_latest, TABLE) for _ in range(2)]
        try:
            assert [leg.result(5) for leg in legs] == [False, False]
            assert [one.name for one in threading.enumerate()].count("replica") == 1
        finally:
            answered.set()
            both.abort()
    world.replica._filling[TABLE].join(10)
    assert set(data.values()) == {1}
    assert world.reads_the_copy()


def test_a_table_that_another_process_copies_is_read_where_it_is_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_copies, "LOCK_SECONDS", 0.02)
    world.writer.upsert(ACME, [row("a")])
    with (world.copies / f"{TABLE}.lock").open("wb") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        assert not world.replica.has_latest(TABLE)
        world.files.asked.clear()
        assert not world.replica.has_latest(TABLE)
        assert world.files.asked == {}
    assert 0 < world.replica._not_before[TABLE] - time.monotonic() <= 2


def test_a_copy_that_changed_under_a_query_is_read_once_more(world: World) -> None:
    world.writer.upsert(ACME, [row("a")])
    seen(world.reader, ALL)
    _, another = world.another_reader()
    read: list[int] = []

    def use(handle: Any) -> int:
        if not read:
            world.writer.upsert(ACME, [row("b")])
            seen(another, ALL)
        read.append(handle.table.count_rows())
        if len(read) == 1:
            raise OSError("Not found: data/old.lance")
        return read[-1]

    world.reader._tables._handles.clear()
    assert world.reader._tables.read(ACME, use) == 2
    assert world.reader._tables._handles == {}, "it was the copy that answered"
    assert world.reads_the_copy()


def test_a_damaged_file_of_the_right_length_is_fetched_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.writer.upsert(ACME, [row("a")])
    seen(world.reader, ALL)
    for file in (world.copies / f"{TABLE}.lance" / "data").iterdir():
        file.write_bytes(bytes(file.stat().st_size))
    replica, reader = world.another_reader()
    assert seen(reader, ALL) == {"a"}
    assert not world.reads_the_copy(reader)
    replica._not_before.clear()
    assert world.reads_the_copy(reader)


def test_a_question_that_the_storage_cannot_answer_either_costs_no_copy(world: World) -> None:
    world.writer.upsert(ACME, [row("a")])
    seen(world.reader, ALL)

    def use(handle: Any) -> int:
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        world.reader._tables.read(ACME, use)
    assert world.reads_the_copy()


def test_a_damaged_copy_is_left_for_the_storage(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.writer.upsert(ACME, [row("a")])
    seen(world.reader, ALL)
    shutil.rmtree(world.copies / f"{TABLE}.lance" / "data")
    world.reader._tables._copies.clear()
    _, reader = world.another_reader()
    assert seen(reader, ALL) == {"a"}
    assert "could not read the copy" in caplog.text


def test_a_table_dropped_and_made_anew_is_read_as_it_is_now(world: World) -> None:
    for n in range(4):
        world.writer.upsert(ACME, [row("old", n)])
    assert seen(world.reader, ALL) == {"old"}
    LanceIndexes(str(world.store)).drop(ACME, "m")
    assert seen(world.reader, ALL) == set()
    for commits in range(1, 7):
        world.writer.upsert(ACME, [row("new", commits)])
        assert seen(world.reader, ALL) == {"new"}
        assert world.reader.count(ACME) == commits


def test_readers_that_share_a_folder_never_see_less_than_was_written(world: World) -> None:
    """Two readers copy, prune and read at once while a writer commits and folds."""
    failures: list[str] = []
    written = 0
    done = threading.Event()

    def reads() -> None:
        _, reader = world.another_reader()
        while not done.is_set():
            before = written
            found = reader.count(ACME)
            if found < before:
                failures.append(f"{found} of {before}")

    threads = [threading.Thread(target=reads) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(30):
        world.writer.upsert(ACME, [row(f"d{n}")])
        written = n + 1
        if n % 7 == 6:
            world.writer._tables.run(ACME, lance_upkeep.fold)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_what_the_storage_says_is_what_counts_when_it_fails(world: World) -> None:
    world.writer.upsert(ACME, [row("a")])
    for file in world.store.rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"no longer a table")
    _, reader = world.another_reader()
    with pytest.raises(ServiceUnavailable):
        reader.dense(ACME, X, 1, ALL)


def test_one_question_alone_copies_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_replica, "ASKED_OFTEN", 3)
    world.writer.upsert(ACME, [row("a")])
    seen(world.reader, ALL)
    assert world.files.asked == {}
    assert ids(world.reader.bm25(ACME, "fox", 1, ALL)) == ["a:1:0"]
    assert world.files.asked["LIST"] > 0


def test_files_that_a_manifest_does_not_name_are_not_needed() -> None:
    index = "50113f4a-f134-4f9d-8bee-f8ec01067479"
    manifest = b"..abc.lance.." + bytes.fromhex(index.replace("-", ""))
    assert is_needed("data/abc.lance", manifest)
    assert not is_needed("data/xyz.lance", manifest)
    assert is_needed(f"_indices/{index}/part_0_docs.lance", manifest)
    assert not is_needed(f"_indices/{index[:-1]}0/part_0_docs.lance", manifest)
    assert is_needed("_indices/of-another-kind/x", manifest)
    assert is_needed("_deletions/1-2-3.arrow", manifest)
    assert not is_needed("_transactions/1.txn", manifest)
    assert not is_needed("_versions/18446744073709551610.manifest", manifest)


def test_copies_are_not_kept_in_a_folder_of_someone_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    ours = lance_replica.own_folder("bucket")
    assert ours.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("os.getuid", lambda: 54_321)
    ours.parent.rename(tmp_path / "ragline-index-54321")
    with pytest.raises(SetupError, match="ragline-index-54321 belongs to another user"):
        lance_replica.own_folder("bucket")


@pytest.mark.parametrize("room", [0, 10_000])
def test_the_setting_says_whether_there_are_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    told = Settings(documents_bucket="bucket", index_replica_megabytes=room)
    monkeypatch.setattr(wiring, "settings", lambda: told)
    monkeypatch.setattr(wiring, "client", lambda service: object())
    assert (wiring._replica() is not None) == bool(room)


def test_the_setting_says_how_much_of_the_index_stays_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Settings(documents_bucket="bucket", index_replica_megabytes=0, index_cache_megabytes=100)
    monkeypatch.setattr(wiring, "settings", lambda: told)
    monkeypatch.setattr(lance_store, "_connect", lambda *_: None)
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr("lancedb.Session", lambda *sizes: asked.append(sizes))
    wiring.indexes.__wrapped__()
    assert asked == [(100 * 2**20, lance_store.METADATA_CACHE_BYTES)]
