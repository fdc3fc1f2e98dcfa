"""Names in the letters of any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigawatt.core.names import named, slug


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("チャット Übung", "チャット-übung"),
        ("My Plan", "my-plan"),
        ("../../etc/passwd", "etc-passwd"),
        ("a..b", "a-b"),
        ("llama-3.1-70b", "llama-3.1-70b"),
        ("...", ""),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_a_folder_keeps_the_letters(text: str, folder: str) -> None:
    assert slug(text) == folder


def test_a_folder_fits_a_file_system() -> None:
    """120 bytes are 120 letters, or 40 of three bytes each."""
    assert slug("x" * 500) == "x" * 120
    assert slug("チ" * 500) == "チ" * 40


@pytest.mark.parametrize("text", ["my-plan", "übung", "チャット", "3.5b", "a-1"])
def test_a_name_is_taken_as_it_is(text: str) -> None:
    assert named(text) == text


def test_two_spellings_of_a_letter_are_one_name() -> None:
    assert named("u\u0308bung") == "\u00fcbung"


@pytest.mark.parametrize(
    ("text", "near"), [("My Übung", "my-übung"), ("a_b", "a-b"), ("", "my-plan"), ("a/b", "a-b"), ("-a", "a")]
)
def test_what_is_no_name_gets_the_nearest(text: str, near: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared whole
        named(text)
    assert str(caught.value) == (
        f"'{text}' is not a name; write lower case letters, digits and hyphens, for example {near}"
    )


@given(st.text(max_size=200))
def test_a_folder_is_a_name_and_no_path(text: str) -> None:
    folder = slug(text)
    assert slug(folder) == folder
    assert "/" not in folder
    assert not folder.startswith(".")
    assert len(folder.encode()) <= 120
