"""An output at a URL is there whole or not at all, and a second upload sends what is missing."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest

from vqspeech import uploads
from vqspeech.errors import OutputError, StorageError
from vqspeech.publishing import DATA, DUMP, UNITS, check_output, copy_output, publish, publish_folder
from vqspeech.storage import fetch_file, fetch_folder, list_files, require_uploaded

URL = "memory://bucket/some/out"
OLD = {"a.bin": b"old a", "b.bin": b"same", "gone.bin": b"gone", "inner/c.bin": b"inner"}
NEW = {"a.bin": b"new a", "b.bin": b"same", "inner/c.bin": b"INNER", "inner/d.bin": b"more"}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The file system memory://, empty, and an empty cache."""
    monkeypatch.setenv("VQSPEECH_CACHE", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def write(contents: dict[str, bytes], kind: str = DUMP, url: str = URL) -> None:
    with publish_folder(url, kind) as folder:
        for name, content in contents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)


def read(folder: Path) -> dict[str, bytes]:
    """Copy what is at the URL, after all checks."""
    copy_output(URL, folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Stopped(BaseException):
    """A kill."""


def count_writes(monkeypatch: pytest.MonkeyPatch, system: Any, stop_at: int | None = None) -> list[str]:
    """Return the list to which names of files are added that are written or deleted; be killed before one of them."""
    done: list[str] = []

    def watch(name: str, argument: int) -> None:
        real = getattr(system, name)

        def call(*args: Any, **options: Any) -> Any:
            if len(done) == stop_at:
                raise Stopped
            done.append(f"{name} {args[argument].rpartition('/')[2]}")
            return real(*args, **options)

        monkeypatch.setattr(system, name, call)

    watch("put_file", 1)
    watch("pipe_file", 0)
    watch("rm_file", 0)
    return done


def test_an_upload_holds_what_was_written(memory: Any, tmp_path: Path):
    write(OLD)
    assert read(tmp_path / "old") == OLD
    write(NEW)
    assert read(tmp_path / "new") == NEW
    assert not memory.exists("/bucket/some/out/gone.bin")
    assert list((tmp_path / "cache").iterdir()) == [], "nothing of it stays in the cache"


def test_what_is_there_is_not_sent_again(memory: Any, monkeypatch: pytest.MonkeyPatch):
    write(OLD)
    done = count_writes(monkeypatch, memory)
    write(OLD)
    assert done == []
    write(NEW)
    assert sorted(done) == [
        "pipe_file vqspeech-upload.json", "pipe_file vqspeech-upload.json", "put_file a.bin", "put_file c.bin",
        "put_file d.bin", "rm_file a.bin", "rm_file c.bin", "rm_file gone.bin",
    ]  # fmt: skip
    assert "inner/c.bin" in uploads.read_upload(uploads.Target(memory, "/bucket/some/out", "", URL)).files  # type: ignore[union-attr]


@pytest.mark.parametrize("before", [{}, OLD])
def test_killed_anywhere_it_is_refused_and_the_next_run_sends_the_rest(
    memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: dict[str, bytes]
):
    """Kill the upload before each of its steps in turn."""

    def start() -> None:
        memory.store.clear()
        if before:
            write(before)

    start()
    with monkeypatch.context() as patched:
        done = count_writes(patched, memory)
        write(NEW)
        steps = len(done)
    assert steps >= len(NEW) + 2 - len(before.keys() & NEW.keys())
    for stop in range(steps):
        start()
        with monkeypatch.context() as patched:
            done = count_writes(patched, memory, stop)
            with pytest.raises(Stopped):
                write(NEW)
        if before and stop == 0:
            assert read(tmp_path / f"read-{stop}") == before
        else:
            with pytest.raises(StorageError, match="not ended|is missing|no upload"):
                read(tmp_path / f"read-{stop}")
        puts = [one for one in done if one.startswith("put")]
        with monkeypatch.context() as patched:
            rest = count_writes(patched, memory)
            write(NEW)
        assert not set(puts) & set(rest), "nothing that is there is sent again"
        assert read(tmp_path / f"again-{stop}") == NEW


def test_contents_of_a_third_upload_are_never_mixed_with_those_of_two_that_were_killed(
    memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """All of the same size, so that only hashes tell them apart."""
    versions = [{name: bytes([65 + i]) * 5 for name in ("a", "b", "c")} for i in range(3)]
    for first in range(9):
        for second in range(9):
            memory.store.clear()
            write(versions[0])
            for stop, version in ((first, versions[1]), (second, versions[2])):
                with monkeypatch.context() as patched:
                    count_writes(patched, memory, stop)
                    with suppress(Stopped):
                        write(version)
            write(versions[1])
            assert read(tmp_path / f"{first}-{second}") == versions[1]


def test_a_change_behind_its_back_is_found(memory: Any, tmp_path: Path):
    write(OLD)
    memory.pipe("/bucket/some/out/a.bin", b"OLD A")  # of the same size
    with pytest.raises(StorageError, match="out/a.bin: not as it was written"):
        read(tmp_path / "copy")
    with pytest.raises(StorageError, match="a.bin: not as it was written"):
        fetch_folder(URL)
    memory.rm("/bucket/some/out/a.bin")
    for check in (require_uploaded, fetch_folder, list_files):
        with pytest.raises(StorageError, match="a.bin is missing, or not as it was written"):
            check(URL)
    memory.pipe(f"/bucket/some/out/{uploads.MANIFEST}", b"{}")
    with pytest.raises(StorageError, match="manifest .* is damaged"):
        require_uploaded(URL)


def test_a_manifest_cannot_name_files_elsewhere(memory: Any, tmp_path: Path):
    write(OLD)
    place = f"/bucket/some/out/{uploads.MANIFEST}"
    content = json.loads(memory.cat_file(place))
    memory.pipe("/bucket/some/evil", b"evil")
    for name in ("../evil", "/evil"):
        memory.pipe(place, json.dumps(content | {"files": {name: [4, "0" * 64]}}).encode())
        with pytest.raises(StorageError, match="not a path below it"):
            copy_output(URL, tmp_path / "inside" / "copy")


def test_readers_of_folders_see_no_manifest(memory: Any):
    write(OLD)
    assert sorted(path.name for path in fetch_folder(URL).iterdir()) == ["a.bin", "b.bin", "gone.bin"]
    assert [path.rpartition("/")[2] for path in list_files(URL)] == ["a.bin", "b.bin", "gone.bin"]


def test_nothing_else_is_replaced(memory: Any):
    write(OLD)
    with pytest.raises(OutputError, match="is a dump, which a data directory would replace"):
        check_output(URL, DATA)
    memory.pipe("/bucket/some/out/mine.txt", b"mine")
    with pytest.raises(OutputError, match="holds mine.txt, which no upload has put there"):
        write(NEW)
    memory.pipe("/bucket/repository/README.md", b"mine")
    memory.pipe("/bucket/repository/.gitattributes", b"mine")
    write(NEW, url="memory://bucket/repository/")
    assert memory.cat("/bucket/repository/README.md") == b"mine"
    for url, kind in (("memory://", DUMP), ("memory://units", UNITS)):
        with pytest.raises(OutputError, match="has no name"):
            check_output(url, kind)
    with pytest.raises(StorageError, match="Protocol not known"):
        check_output("nowhere://bucket/out", DUMP)


def test_a_file_goes_with_those_that_belong_to_it(memory: Any, monkeypatch: pytest.MonkeyPatch):
    memory.pipe("/bucket/other.txt", b"not ours")
    for content in (b"one", b"two"):
        with publish("memory://bucket/units.txt", UNITS) as path:
            path.write_bytes(content)
            path.with_name("units.txt.json").write_bytes(b"{}")
        assert memory.cat("/bucket/units.txt") == content and memory.cat("/bucket/units.txt.json") == b"{}"
    names = sorted(name.rpartition("/")[2] for name in memory.find("/bucket"))
    assert names == ["other.txt", "units.txt", "units.txt.json", f"units.txt.{uploads.MANIFEST}"]
    with monkeypatch.context() as patched:
        done = count_writes(patched, memory)
        with publish("memory://bucket/units.txt", UNITS) as path:
            path.write_bytes(b"two")
            path.with_name("units.txt.json").write_bytes(b"{}")
        assert done == []
    copy = fetch_file("memory://bucket/units.txt", ".json")
    assert copy.read_bytes() == b"two" and copy.with_name("units.txt.json").read_bytes() == b"{}"
    memory.pipe("/bucket/units.txt.json", b"[]")  # of the same size
    with pytest.raises(StorageError, match="units.txt.json: not as it was written"):
        fetch_file("memory://bucket/units.txt", ".json")
    memory.rm("/bucket/units.txt.json")
    with pytest.raises(StorageError, match="units.txt.json is missing"):
        fetch_file("memory://bucket/units.txt", ".json")
    with pytest.raises(StorageError, match="no such file"):
        fetch_file("memory://bucket/other.txt", ".json")


def test_what_cannot_be_sent_is_kept(memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(memory, "put_file", refuse)
    with pytest.raises(StorageError, match=rf"^{URL}: cannot be written .*Access Denied.* the output is in "):
        write(OLD)
    [kept] = (tmp_path / "cache").iterdir()
    assert (kept / "out" / "inner" / "c.bin").read_bytes() == OLD["inner/c.bin"]


def test_nothing_is_sent_of_work_that_fails(memory: Any):
    with pytest.raises(ValueError, match="failed"), publish_folder(URL, DUMP) as folder:
        (folder / "a").write_bytes(b"half")
        raise ValueError("failed")
    assert memory.store == {}


def test_paths_of_this_machine_are_left_alone(tmp_path: Path):
    with publish(tmp_path / "units.txt", UNITS) as path:
        assert path == tmp_path / "units.txt"
    with publish_folder(tmp_path / "out", DUMP) as path:
        (path / "a").write_bytes(b"a")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["a"]
