"""Files and JSON of a user: what is none is refused before it is read, and what is read has a bound."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
from pathlib import Path

import pytest

from gigawatt.core.reading import DEEPEST, blocks, json_of, opened, read_text


def why(path: Path) -> str:
    with pytest.raises(OSError, match=r".") as caught, opened(path) as file:
        file.read()
    return str(caught.value.strerror)


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert why(tmp_path / "pipe") == "it is a pipe, not a file"  # opening it would wait for a writer for ever
    assert why(Path("/dev/zero")) == "it is a device, not a file"
    assert why(tmp_path) == "Is a directory"
    with socket.socket(socket.AF_UNIX) as own, contextlib.chdir(tmp_path):  # names of sockets are short
        own.bind("socket")
        assert why(Path("socket")) == "it is a socket, not a file"
    assert why(tmp_path / ("x" * 300)) == "File name too long"
    assert why(tmp_path / "a\0b") == "its name holds a null byte"
    assert why(tmp_path / "none") == "No such file or directory"


def test_gzip_goes_by_its_first_bytes_and_its_name(tmp_path: Path) -> None:
    packed = tmp_path / "text.csv"
    packed.write_bytes(gzip.compress(b"a,b\n"))
    assert read_text(packed) == "a,b\n"
    (tmp_path / "text.gz").write_bytes(b"a,b\n")
    assert why(tmp_path / "text.gz").startswith("Not a gzipped file")
    half = tmp_path / "half.gz"
    half.write_bytes(gzip.compress(bytes(range(256)) * 40)[:-20])
    assert why(half).startswith("its gzip is broken (Compressed file ended")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"a" * 50)[:10] + b"\xff" * 50)
    assert why(broken).startswith("its gzip is broken (Error -3")


def test_no_more_is_unpacked_than_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with pytest.raises(OSError, match=r"more than the 3 MiB that are read at once"):
        sum(len(block) for block in blocks(path, 3 << 20))
    assert next(iter(blocks(path))) == bytes(1 << 20)  # a reader that stops unpacks no more than it takes


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(b"\xef\xbb\xbf{}")
    assert json_of(read_text(tmp_path / "t.json")) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "the key 'c' stands twice"),
        ("[" * 65 + "]" * 65, "lists and objects stand more than 64 deep within each other"),
        ('{"a":' * 100_000, "lists and objects stand more than 64 deep within each other"),
        ('{"n": ' + "9" * 41 + "}", "'n' holds a whole number of 41 digits; up to 40 are read"),
        ('{"m": {"n": [1, ' + "9" * 5000 + "]}}", "'n' holds a whole number of 5,000 digits; up to 40 are read"),
        ('{"a": "\\ud800"}', r"half a surrogate pair, '\ud800', is no text"),
        ('{"\\udc00": 1}', r"half a surrogate pair, '\udc00', is no text"),
    ],
)
def test_json_that_says_two_things_or_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        json_of(text)
    assert str(caught.value) == said


def test_json_that_only_looks_so() -> None:
    assert json_of('["' + "[" * 200 + '"]') == ["[" * 200]  # brackets in text are no depth
    assert json_of("[" * DEEPEST + "]" * DEEPEST) is not None
    assert json_of("[" + ",".join(["[]"] * 500) + "]") == [[]] * 500  # beside, not within each other
    assert json_of('"\\ud83d\\ude00"') == "\U0001f600"  # a whole pair
    assert json_of("9" * 39) == 10**39 - 1
