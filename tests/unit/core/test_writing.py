"""Files and folders are whole or not there, whenever their writer ends."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gigawatt.core import writing
from gigawatt.core.writing import check_file, check_folder, settled, sha256_of, whole_file, whole_folder, write_whole


class Killed(BaseException):
    """Stands for the end of a writer."""


def half_written(writer: AbstractContextManager[Path]) -> None:
    with writer as part:
        (part / "a" if part.is_dir() else part).write_text("ne")
        raise Killed


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def filled(place: Path, text: str) -> None:
    with whole_folder(place) as part:
        for name in ("a", "b"):
            (part / name).write_text(text)


def text_of(place: Path) -> set[str]:
    return {path.read_text() for path in place.iterdir()}


def test_a_file_stands_with_all_of_its_content_or_as_before(tmp_path: Path) -> None:
    place = tmp_path / "x.txt"
    write_whole(place, "old")
    with pytest.raises(Killed):
        half_written(whole_file(place))
    assert place.read_text() == "old" and names(tmp_path) == {"x.txt"}
    write_whole(place, "n\u00e9w")
    assert place.read_bytes() == b"n\xc3\xa9w" and names(tmp_path) == {"x.txt"}
    # echo -n new | sha256sum
    write_whole(place, b"new")
    assert sha256_of(place) == "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"


def test_a_file_keeps_its_mode_and_a_link_its_target(tmp_path: Path) -> None:
    place, link = tmp_path / "x", tmp_path / "link"
    place.write_text("old")
    place.chmod(0o640)
    link.symlink_to(place)
    write_whole(link, "new")
    assert link.is_symlink() and place.read_text() == "new" and stat.S_IMODE(place.stat().st_mode) == 0o640


def test_a_device_stays_one(tmp_path: Path) -> None:
    write_whole(Path(os.devnull), "gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    check_file(Path(os.devnull))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors have names where Linux gives them")
@pytest.mark.parametrize(
    "name", ["/dev/stdout", "/dev/fd/{0}", "/proc/self/fd/{0}", "/proc/thread-self/fd/{0}", "link"]
)
def test_a_stream_is_no_place_for_a_file(tmp_path: Path, name: str) -> None:
    """Whatever file of the user stands behind it keeps its content."""
    kept = tmp_path / "log.txt"
    kept.write_text("kept")
    (tmp_path / "link").symlink_to("/dev/stderr")
    with kept.open("a") as stream:
        place = tmp_path / name.format(stream.fileno())
        for call in (check_file, lambda path: write_whole(path, "x")):
            with pytest.raises(OSError, match="it is a stream, not a file") as caught:
                call(place)
            assert caught.value.filename == str(place)
    assert kept.read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "code"), [("no/x", errno.ENOENT), (".", errno.EISDIR), ("x" * 300, errno.ENAMETOOLONG)]
)
def test_errors_name_what_was_asked_for(tmp_path: Path, name: str, code: int) -> None:
    for call in (check_file, lambda path: write_whole(path, "x")):
        with pytest.raises(OSError, match=re.escape(os.strerror(code))) as found:
            call(tmp_path / name)
        assert found.value.errno == code and found.value.filename == str(tmp_path / name) and found.value.strerror
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    check_folder(tmp_path / "new" / "er")
    check_folder(tmp_path)
    for name, code in (("file", errno.ENOTDIR), ("file/x", errno.ENOTDIR), ("x" * 300, errno.ENAMETOOLONG)):
        with pytest.raises(OSError, match=re.escape(os.strerror(code))) as found:
            check_folder(tmp_path / name)
        assert found.value.filename == str(tmp_path / name)
    assert names(tmp_path) == {"file"}


def test_a_folder_is_old_or_new_and_nothing_is_left(tmp_path: Path) -> None:
    place = tmp_path / "run"
    filled(place, "old")
    with pytest.raises(Killed):
        half_written(whole_folder(place))
    assert text_of(place) == {"old"} and names(tmp_path) == {"run"}
    filled(place, "new")
    assert text_of(place) == {"new"} and names(tmp_path) == {"run"}


def test_without_an_exchange_the_old_folder_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_exchange", lambda *_: False)
    place, rename = tmp_path / "run", Path.rename
    filled(place, "old")
    filled(place, "newer")
    assert text_of(place) == {"newer"} and names(tmp_path) == {"run"}

    def killed(self: Path, target: Path) -> Path:
        if not place.exists() and Path(target) == place:
            raise Killed  # between the two renames
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(Killed):
        filled(place, "never")
    monkeypatch.setattr(Path, "rename", rename)
    assert not place.exists()
    assert text_of(settled(place)) == {"newer"} and names(tmp_path) == {"run"}


def test_writers_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    place = tmp_path / "run"
    with whole_folder(place) as one:
        (one / "a").write_text("one")
        with whole_folder(place) as two:  # the other's folder is locked, and no leftover
            (two / "a").write_text("two")
        assert text_of(place) == {"two"} and (one / "a").is_file()
    assert text_of(place) == {"one"} and names(tmp_path) == {"run"}


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    place = tmp_path / "run"
    script = (
        "import os, sys; from pathlib import Path; from gigawatt.core.writing import whole_folder\n"
        "with whole_folder(Path(sys.argv[1])) as part:\n"
        "    (part / 'a').write_text('half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(place)], check=False, timeout=60)
    assert done.returncode == -9 and not place.exists() and len(names(tmp_path)) == 1
    filled(place, "whole")
    assert text_of(place) == {"whole"} and names(tmp_path) == {"run"}
