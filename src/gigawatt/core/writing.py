"""Files and folders that are whole or not there: written aside, synced, and put in place by one rename.

What is written lies in a folder ``.gigawatt-*.part`` beside its place until it is whole. The folder is locked while its
writer lives; what a killed writer left is removed by the next one, as the lock of the dead is free.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on Windows: leftovers stay
    fcntl = None  # type: ignore[assignment]

_TRIES = 100
_SWAP = 2  # RENAME_EXCHANGE
_HERE = -100  # AT_FDCWD
_MOST_LINKS = 40  # as the system follows
_DESCRIPTORS = re.compile(r"/dev/fd|/proc/.+/fd")
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV, errno.EPERM)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Path to write to; what lies there when the block ends well stands at ``path`` in one step, as does nothing else.

    A link keeps its target, a file its mode; into a device or a pipe the whole content is copied. Raises OSError that
    names ``path``; for a stream of this process, such as /dev/stdout, too: what stands behind it is another's.
    """
    with _named(path):
        place = _place(path)
        is_plain = place.is_file() or not place.exists()
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with _aside(place.parent if is_plain else Path(tempfile.gettempdir())) as aside:
            part = aside / place.name
            yield part
            if not is_plain:
                with part.open("rb") as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target)
                return
            if place.exists():
                part.chmod(stat.S_IMODE(place.stat().st_mode))
            _sync(part)
            os.replace(part, place)
            _sync(place.parent)


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Writes text (UTF-8) or bytes so that the file is whole or not there. Raises OSError that names ``path``."""
    with whole_file(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def check_file(path: Path) -> None:
    """Raises OSError that names ``path`` where ``whole_file`` would: asked before the work that fills it."""
    with _named(path):
        place = _place(path)
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if place.is_file() or not place.exists():
            with _aside(place.parent) as aside:
                (aside / place.name).touch()


def check_folder(path: Path) -> None:
    """Raises OSError that names ``path`` where no folder can be filled or made there. Nothing is left there."""
    with _named(path):
        place = Path(os.path.realpath(path))
        while not _exists(place):
            place = place.parent
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with _aside(place):
            pass


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Folder to fill; when the block ends well it stands at ``path`` in one step, in place of one that was there.

    A killed writer leaves the old folder or the new one; of several at once the last wins. Parents are made. Raises
    OSError that names ``path``.
    """
    with _named(path):
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with _aside(place.parent) as aside:
            part = aside / place.name
            part.mkdir()
            yield part
            _sync_tree(part)
            _put(part, place)
            _sync(place.parent)


def settled(path: Path) -> Path:
    """The same folder; put back where its writer was killed between two renames (systems without an exchange)."""
    place = Path(os.path.realpath(path))
    with suppress(OSError):
        if not place.exists() and _old(place).is_dir():
            _old(place).rename(place)
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- inside


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the system name what the caller asked for, not what lies aside."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not of a file, but of what the block does besides
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _exists(path: Path) -> bool:
    """Whether something is there. Raises OSError where nothing can be: too long a name, a parent that is a file."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def _place(path: Path) -> Path:
    """Where a file will stand: the target of a link. Raises OSError where it cannot be a file."""
    if _is_stream(path):
        raise OSError(errno.EINVAL, "it is a stream, not a file")
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return place


def _is_stream(path: Path) -> bool:
    """Whether a name leads, over whatever links, to a descriptor: /dev/stdout, /dev/fd/1, /proc/self/fd/1."""
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if _DESCRIPTORS.fullmatch(folder):
            return True
        path = Path(folder, path.name)
        if not path.is_symlink():
            break
        path = Path(folder, os.readlink(path))
    return False


@contextmanager
def _aside(parent: Path) -> Iterator[Path]:
    """A locked folder of one's own, removed at the end; those of dead writers are removed first."""
    for left in parent.glob(".gigawatt-*.part"):
        lock = _lock(left)
        if lock is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    while True:
        aside = parent / f".gigawatt-{secrets.token_hex(8)}.part"
        aside.mkdir()
        lock = _lock(aside, wait=True)
        if aside.exists():
            break
        if lock is not None:  # another writer took it for a leftover before it was locked
            os.close(lock)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path, *, wait: bool = False) -> int | None:
    """Descriptor that holds the folder's lock; None where the system has none, or another holds it and none waits."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _put(part: Path, place: Path) -> None:
    """The folder in its place; what stood there goes where the folder was."""
    for _ in range(_TRIES):
        try:
            part.rename(place)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with suppress(FileNotFoundError):  # another writer moved it in between: once more
            if _exchange(part, place):
                return
            shutil.rmtree(_old(place), ignore_errors=True)
            place.rename(_old(place))
            part.rename(place)
            shutil.rmtree(_old(place), ignore_errors=True)
            return
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _old(place: Path) -> Path:
    """Where a folder lies between two renames."""
    return place.with_name(f".{place.name}.old")


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two names in one step (renameat2); False where the system or the file system cannot."""
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    if swap(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _SWAP) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _sync_tree(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            if not os.path.islink(os.path.join(root, name)):
                _sync(Path(root, name))
        _sync(Path(root))


def _sync(path: Path) -> None:
    """What was written is on the disk. Folders cannot be synced everywhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES):
            raise
    finally:
        os.close(descriptor)
