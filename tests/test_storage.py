"""Members of tars and URLs are read as files are."""

import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.conftest import buzz
from vqspeech import audio, storage
from vqspeech.errors import AudioError, StorageError


@pytest.fixture
def tar(tmp_path: Path) -> str:
    """A tar of sounds in two formats, a text, a link, and an empty file."""
    wave = buzz(0.5, 150)
    for name in ("b.wav", "a.flac", "c.mp3"):
        audio.write(tmp_path / name, wave)
    (tmp_path / "text.wav").write_text("no sound")
    path = tmp_path / "some.tar"
    with tarfile.open(path, "w") as file:
        for name in ("b.wav", "a.flac", "c.mp3", "text.wav"):
            file.add(tmp_path / name, f"./dir/{name}")
        link = tarfile.TarInfo("dir/link.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    return str(path)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The file system memory://, empty, and an empty cache."""
    monkeypatch.setenv("VQSPEECH_CACHE", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_sizes(memory, tar: str, tmp_path: Path):
    memory.pipe("/bucket/a.flac", b"12345")
    size = (tmp_path / "a.flac").stat().st_size
    assert storage.find_size(tmp_path / "a.flac") == storage.find_size(f"tar://dir/a.flac::{tar}") == size
    assert storage.find_size("memory://bucket/a.flac") == 5
    for missing in ("memory://bucket/b", f"tar://dir/none::{tar}", "tar://x::missing.tar", "missing", tmp_path):
        assert storage.find_size(missing) is None


@pytest.mark.parametrize("name", ["b.wav", "a.flac", "c.mp3"])
def test_a_member_has_the_samples_of_its_file(tar: str, tmp_path: Path, name: str):
    member = storage.join_member(f"dir/{name}", tar)
    assert storage.split_member(member) == (f"dir/{name}", tar) and storage.find_file(member) == tar
    assert audio.info(member) == audio.info(tmp_path / name)
    assert np.array_equal(audio.read_waveform(member), audio.read_waveform(tmp_path / name))
    assert np.array_equal(audio.read_waveform(member, 0.1, 0.3), audio.read_waveform(tmp_path / name, 0.1, 0.3))


def test_members_are_where_tarfile_finds_them_and_links_are_none(tar: str):
    found = storage.list_members(tar)
    assert list(found) == ["dir/b.wav", "dir/a.flac", "dir/c.mp3", "dir/text.wav"]
    with tarfile.open(tar) as file:
        for name in found:
            member = file.extractfile(f"./{name}")
            assert member is not None and member.read() == storage.read_member(name, tar)


def test_faults_are_named(tar: str, tmp_path: Path):
    with pytest.raises(AudioError, match=r"^tar://dir/text.wav::.*some.tar: not a sound file"):
        audio.info(storage.join_member("dir/text.wav", tar))
    with pytest.raises(StorageError, match="has no member dir/link.wav"):
        audio.info(storage.join_member("dir/link.wav", tar))
    with pytest.raises(StorageError, match="no such file"):
        storage.list_members(str(tmp_path / "missing.tar"))
    (tmp_path / "noise.tar").write_bytes(b"noise" * 1000)
    with pytest.raises(StorageError, match="cannot be read as a tar .* copy it again"):
        storage.list_members(str(tmp_path / "noise.tar"))
    with tarfile.open(tmp_path / "small.tar.gz", "w:gz") as file:
        file.add(tmp_path / "b.wav", "b.wav")
    with pytest.raises(StorageError, match="gunzip"):
        storage.list_members(str(tmp_path / "small.tar.gz"))
    whole = Path(tar).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:9000])
    with pytest.raises(StorageError, match="cut.tar"):
        storage.read_member("dir/b.wav", str(tmp_path / "cut.tar"))


def test_no_copy_stays_behind(tar: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with storage.open_local(storage.join_member("dir/b.wav", tar)) as path:
        assert Path(path).is_relative_to(tmp_path / "temporary") and Path(path).suffix == ".wav"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_items_are_sorted_as_they_lie(tar: str):
    members = [storage.join_member(f"dir/{name}", tar) for name in ("c.mp3", "a.flac", "b.wav")]
    found = storage.sort_by_place([*members, "z.wav", "tar://x::/missing.tar", "a.wav"], str)
    assert found == ["z.wav", "a.wav", "tar://x::/missing.tar", *reversed(members)] or found == [
        "z.wav", "a.wav", members[2], members[1], members[0], "tar://x::/missing.tar",
    ]  # fmt: skip


def test_urls_are_read_and_tars_are_cached_by_version(memory, tar: str, tmp_path: Path):
    memory.pipe("/bucket/a.flac", (tmp_path / "a.flac").read_bytes())
    memory.pipe("/bucket/0.tar", Path(tar).read_bytes())
    wave = audio.read_waveform(tmp_path / "a.flac")
    assert np.array_equal(audio.read_waveform("memory://bucket/a.flac"), wave)
    assert not (tmp_path / "cache").exists(), "single recordings are not kept"
    assert np.array_equal(audio.read_waveform("tar://dir/a.flac::memory://bucket/0.tar"), wave)
    first = storage.fetch_file("memory://bucket/0.tar")
    assert first == storage.fetch_file("memory://bucket/0.tar") and first.read_bytes() == Path(tar).read_bytes()
    memory.pipe("/bucket/0.tar", b"another version")
    assert storage.fetch_file("memory://bucket/0.tar").read_bytes() == b"another version"
    assert storage.list_files("memory://bucket") == ["memory:///bucket/0.tar", "memory:///bucket/a.flac"]
    assert storage.list_files("memory://bucket/0.tar") == ["memory:///bucket/0.tar"]


def test_a_folder_is_copied_once_without_what_is_not_wanted(memory, tmp_path: Path):
    for name in ("a.txt", "b.bin", "inner/c.txt"):
        memory.pipe(f"/bucket/data/{name}", name.encode())
    folder = storage.fetch_folder("memory://bucket/data/", lambda name: name.endswith(".txt"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.txt": b"a.txt"} and folder.name == "data"
    stamp = (folder / "a.txt").stat().st_mtime_ns
    assert storage.fetch_folder("memory://bucket/data", lambda name: name.endswith(".txt")) == folder
    assert (folder / "a.txt").stat().st_mtime_ns == stamp
    assert storage.fetch_folder(tmp_path) == tmp_path and storage.fetch_file("x") == Path("x")


def test_what_cannot_be_reached_is_named(memory):
    for url, reason in (
        ("memory://bucket/missing.tar", "no such file"),
        ("nowhere://a/b", "Protocol not known"),
        ("memory://bucket", "no such file|is a folder"),
    ):
        with pytest.raises(StorageError, match=rf"^{url}: .*({reason})"):
            storage.fetch_file(url)
    with pytest.raises(StorageError, match="no such folder"):
        storage.fetch_folder("memory://bucket/none")
    with pytest.raises(StorageError, match="no such file or folder"):
        storage.list_files("missing")
    with pytest.raises(StorageError, match="^memory://bucket/none.wav: no such file"):
        audio.info("memory://bucket/none.wav")
