"""YAML as this project reads it, and what it refuses with a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.catalog.reading import MOST_VALUES, read_yaml
from gigawatt.core.errors import CatalogError


def _read(folder: Path, text: str | bytes) -> Any:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1", {"a": 1}),
        ("a: -1.5e3", {"a": -1500.0}),
        ("a: 1_000", {"a": 1000}),
        ("a: .5", {"a": 0.5}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: TRUE", {"a": True}),
        ("a: 'true'", {"a": "true"}),
        ("on: yes", {"on": "yes"}),  # YAML 1.1 reads both as true, and a key that is no text
        ("5: x", {"5": "x"}),
        ("a: 2027-02-30", {"a": "2027-02-30"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 0600", {"a": "0600"}),
        ("a: 1e400", {"a": "1e400"}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: .inf", {"a": ".inf"}),
        ("\ufeffa: 1\r\n", {"a": 1}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
    ],
)
def test_what_is_read(tmp_path: Path, text: str, value: Any) -> None:
    assert _read(tmp_path, text) == value


LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: !!float 8", "line 1: the tag '!!float' is not read; drop it"),
        ("\na: !!int abc", "line 2: the tag '!!int' is not read; drop it"),
        ("a: !!bool maybe", "line 1: the tag '!!bool' is not read; drop it"),
        ("a: !!timestamp nonsense", "line 1: the tag '!!timestamp' is not read; drop it"),
        ("a: !!set {b}", "line 1: the tag '!!set' is not read; drop it"),
        ("a: !!map [1, 2]", "line 1: the tag '!!map' is not read; drop it"),
        ("!!str a: 1", "line 1: the tag '!!str' is not read; drop it"),
        ("a: !!python/object/apply:os.system [id]", "line 1: the tag '!!python/object/apply:os.system' is not read; "
         "drop it"),
        ("a: !own 1", "line 1: the tag '!own' is not read; drop it"),
        ("? [a, b]\n: 3", "line 1: a key is a list, a mapping or an alias; write text"),
        ("? {a: b}\n: 3", "line 1: a key is a list, a mapping or an alias; write text"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice"),
        ("a: *b", "line 1: *b names no anchor"),
        ("a: &a [*a]", "line 1: *a stands within itself"),
        ("a: {<<: 5}", "line 1: << takes a mapping, or a list of mappings"),
        ("a: 1\n---\nb: 2", "line 2: a second document starts; a file holds one"),
        (LAUGHS, "line 5: the file holds more than 100,000 values"),
        ("a: [" + "1," * MOST_VALUES + "]", "line 1: the file holds more than 100,000 values"),
        ("a: " + "[" * 60 + "]" * 60, "line 1: more than 50 lists and mappings within each other"),
        ("[" * 5000 + "]" * 5000, "line 1: more than 50 lists and mappings within each other"),
        ("a:\n\tb: 1", "line 2: a tab or a sign that starts nothing; indent with blanks, and put text that starts "
         "with @, ` or % in quotes"),
        ("title: Plan A: 5 MW", "line 1: a colon and a blank within text; put the text in quotes"),
        ("a: 1\nb: Übung".encode("latin-1"), "line 2: is not UTF-8 text; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "line 1: is not UTF-8 text; save the file as UTF-8"),
        ("a: '\0'", "holds the character #x0000, which is no text"),
        ("a: '" + "x" * 9_000_000 + "'", "holds 9 MB; write at most 8 MB"),
    ],
    ids=lambda value: str(value)[:30].encode("unicode_escape").decode(),
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(CatalogError) as caught:
        _read(tmp_path, text)
    assert str(caught.value) == f"a.yaml: {sentence}"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, Path("/dev/zero"), tmp_path / "none.yaml"):
        with pytest.raises(CatalogError, match="is not a file"):
            read_yaml(place)


@given(text=st.one_of(st.text(max_size=60), st.text(alphabet="ab:- [],{}&*!?|>'\"#\n\t<%@12.", max_size=60)))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        _read(folder, text.encode("utf-8", "surrogatepass"))
    except CatalogError as error:
        said = str(error)
    else:
        said = "a.yaml: "
    assert said.startswith("a.yaml: ")
