"""YAML as this project reads it: mappings with text for keys, lists, text, numbers, true, false and null.

Read event by event, so that nothing is built that a sentence would have to take back: no tags, no keys twice, bounded
size, depth and number of values (an alias counts as often as it is used). Plain words are what YAML 1.2 says: yes, no,
on and off are text, and so are dates, clock times and numbers with leading zeros.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from gigawatt.core.errors import CatalogError, shown

MOST_BYTES = 8_000_000
MOST_VALUES = 100_000
MOST_DEPTH = 50

_WHOLE = re.compile(r"[-+]?(0|[1-9](_?[0-9]){0,30})")
_REAL = re.compile(r"(?!0[0-9])[-+]?([0-9](_?[0-9])*\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def read_yaml(path: Path) -> Any:
    """Content of a YAML file. Raises CatalogError naming file and line where it is not what this project reads."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reader(path.name, yaml.parse(_text(path), Loader=base)).document()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise CatalogError(f"{path.name}: {line}{_in_words(error)}") from error
    except yaml.YAMLError as error:
        sign = str(error).split(":")[0].removeprefix("unacceptable character ")
        raise CatalogError(f"{path.name}: holds the character {sign}, which is no text") from error


def _text(path: Path) -> str:
    """Text of a file of bounded size. Raises CatalogError where it cannot be read or is not UTF-8."""
    try:
        if not path.is_file():
            raise CatalogError(f"{path}: is not a file")
        if path.stat().st_size > MOST_BYTES:
            raise CatalogError(
                f"{path.name}: holds {path.stat().st_size / 1e6:,.0f} MB; write at most {MOST_BYTES / 1e6:.0f} MB"
            )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CatalogError(f"{path.name}: line {line}: is not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error


def _in_words(error: Any) -> str:
    """What a scanner found, in words a user can act on."""
    if error.problem == "found character that cannot start any token":
        return (
            "a tab or a sign that starts nothing; indent with blanks, and put text that starts with @, ` or % in quotes"
        )
    if error.problem == "mapping values are not allowed in this context":
        return "a colon and a blank within text; put the text in quotes"
    if error.problem == "exceeded maximum nesting depth":
        return f"more than {MOST_DEPTH} lists and mappings within each other"
    return ": ".join(text for text in (error.context, error.problem) if text)


class _Reader:
    """One document out of a stream of events."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self._name = name
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()

    def document(self) -> Any:
        """Value of the only document; None where the file is empty."""
        import yaml

        value, seen = None, False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    self._refuse(event, "a second document starts; a file holds one")
                seen, (value, _) = True, self._value(next(self._events), 0)
        return value

    def _refuse(self, event: Any, sentence: str) -> NoReturn:
        raise CatalogError(f"{self._name}: line {event.start_mark.line + 1}: {sentence}")

    def _value(self, event: Any, depth: int) -> tuple[Any, int]:
        """(value, how many values it holds) of what starts with ``event``."""
        import yaml

        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                inside = event.anchor in self._open
                self._refuse(event, f"*{event.anchor} {'stands within itself' if inside else 'names no anchor'}")
            return self._anchors[event.anchor]
        if event.tag is not None and event.tag != "!":
            self._refuse(event, f"the tag {shown(event.tag.replace('tag:yaml.org,2002:', '!!'))} is not read; drop it")
        if depth > MOST_DEPTH:
            self._refuse(event, f"more than {MOST_DEPTH} lists and mappings within each other")
        if event.anchor:
            self._open.add(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            made: tuple[Any, int] = (_plain(event.value) if event.implicit[0] else event.value, 1)
        elif isinstance(event, yaml.SequenceStartEvent):
            made = self._list(depth)
        else:
            made = self._mapping(depth)
        if event.anchor:
            self._anchors[event.anchor] = made
        return made

    def _counted(self, event: Any, size: int) -> None:
        if size > MOST_VALUES:
            self._refuse(event, f"the file holds more than {MOST_VALUES:,} values")

    def _list(self, depth: int) -> tuple[list[Any], int]:
        import yaml

        items, size = [], 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item, more = self._value(event, depth + 1)
            items.append(item)
            size += more
            self._counted(event, size)
        return items, size

    def _mapping(self, depth: int) -> tuple[dict[str, Any], int]:
        import yaml

        rows: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "a key is a list, a mapping or an alias; write text")
            self._value(event, depth)  # its tag and anchor
            value, more = self._value(next(self._events), depth + 1)
            size += 1 + more
            self._counted(event, size)
            if event.value == "<<" and event.implicit[0]:
                merged = self._merge(event, value) | merged
            elif event.value in rows:
                self._refuse(event, f"the key {shown(event.value)} stands twice")
            else:
                rows[event.value] = value
        return merged | rows, size

    def _merge(self, event: Any, value: Any) -> dict[str, Any]:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self._refuse(event, "<< takes a mapping, or a list of mappings")
        return {key: item for part in reversed(parts) for key, item in part.items()}


def _plain(text: str) -> Any:
    """Value of a word without quotes: null, true or false, a number, else the text."""
    if text in _WORDS or (text.lower() in _WORDS and text in (text.title(), text.upper())):
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
