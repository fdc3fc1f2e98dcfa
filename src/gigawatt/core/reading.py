"""Files of a user, read within bounds, and JSON that says one thing.

Whatever keeps a file from being read is an ``OSError`` whose ``strerror`` says why, so that each door can put its own
sentence around it: a pipe, a device or a folder in place of a file, a name longer than the system takes, gzip that is
broken, and content beyond the bound.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

MOST_BYTES = 2 << 30
"""Content of a file, unpacked, that is read at once [byte]. Judgement: a week of Azure's requests is 1.2 GB."""
MOST_TEXT_BYTES = 256 << 20
"""The same of a file that is one document: a model's config, a benchmark's results [byte]. Judgement."""
BLOCK_BYTES = 1 << 20
DEEPEST = 64
"""Lists and objects within each other in JSON. Judgement: configs and results have up to 8."""
MOST_DIGITS = 40
"""Digits of a whole number in JSON: hashes of 128 bits have 39."""

_GZIP = b"\x1f\x8b"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?')
_KEY = re.compile(r'"([^"\\]*)"\s*:')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_OTHERS = (
    (stat.S_ISDIR, errno.EISDIR, "Is a directory"),
    (stat.S_ISFIFO, errno.EINVAL, "it is a pipe, not a file"),
    (stat.S_ISSOCK, errno.EINVAL, "it is a socket, not a file"),
    (stat.S_ISCHR, errno.EINVAL, "it is a device, not a file"),
    (stat.S_ISBLK, errno.EINVAL, "it is a device, not a file"),
)


def is_there(path: str | Path) -> bool:
    """Whether a name leads to anything; no for one that the system does not take."""
    return os.path.exists(path)  # Path.exists raises where a name is too long


def unread(path: Path, error: OSError) -> str:
    """Why a file cannot be read, and what would be right where that is another file."""
    reason = f"{path} cannot be read: {error.strerror or error}"
    return reason if error.errno in (errno.EIO, errno.EFBIG) else f"{reason}; name a file that exists"


def is_gzip(path: Path) -> bool:
    """Whether a file's first bytes, or its name, say gzip. Raises OSError where it cannot be read, or is no file."""
    try:
        mode = os.stat(path).st_mode
        for is_kind, number, words in _OTHERS:
            if is_kind(mode):
                raise OSError(number, words, str(path))
        with open(path, "rb") as file:
            return file.read(2) == _GZIP or path.suffix.lower() == ".gz"
    except ValueError as error:
        raise OSError(errno.EINVAL, "its name holds a null byte", str(path)) from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to read, unpacked where it is gzip. Raises OSError, also for what goes wrong while it is read."""
    try:
        with cast(IO[bytes], gzip.open(path) if is_gzip(path) else open(path, "rb")) as file:
            yield file
    except gzip.BadGzipFile as error:
        raise OSError(errno.EIO, str(error), str(path)) from error
    except (zlib.error, EOFError) as error:
        raise OSError(errno.EIO, f"its gzip is broken ({error})", str(path)) from error


def blocks(path: Path, most: int = MOST_BYTES) -> Iterator[bytes]:
    """Content of a file, a part at a time. Raises OSError, beyond ``most`` bytes too."""
    done = 0
    with opened(path) as file:
        while block := file.read(BLOCK_BYTES):
            done += len(block)
            if done > most:
                raise OSError(
                    errno.EFBIG, f"it holds more than the {most >> 20:,} MiB that are read at once", str(path)
                )
            yield block


def read_bytes(path: Path, most: int = MOST_TEXT_BYTES) -> bytes:
    """Content of a file. Raises OSError."""
    return b"".join(blocks(path, most))


def read_text(path: Path, most: int = MOST_TEXT_BYTES) -> str:
    """UTF-8 text of a file, a byte order mark left out. Raises OSError and UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8-sig")


def json_of(text: str) -> Any:
    """What JSON says.

    Raises ValueError (JSONDecodeError where it is none) for what says nothing or two things: a key that stands twice,
    nesting beyond ``DEEPEST``, whole numbers beyond ``MOST_DIGITS``, half a surrogate pair.

    >>> json_of('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise ValueError(f"lists and objects stand more than {DEEPEST} deep within each other")
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except _TooLongError as error:
        keys = _KEY.findall(text[: text.find(error.digits)])
        where = f"'{keys[-1][:60]}' holds " if keys else ""
        raise ValueError(where + str(error)) from error
    if _SURROGATE.search(text):
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"half a surrogate pair, {error.object[error.start]!r}, is no text") from error
    return found


def _depth(text: str) -> int:
    """Most brackets open at once outside of strings."""
    depth = deepest = 0
    for mark in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if mark in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice[:60]}' stands twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _TooLongError(digits)
    return int(digits)


class _TooLongError(ValueError):
    def __init__(self, digits: str) -> None:
        super().__init__(f"a whole number of {len(digits):,} digits; up to {MOST_DIGITS} are read")
        self.digits = digits
