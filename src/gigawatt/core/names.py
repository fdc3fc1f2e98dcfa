"""Names in the letters of any script, and what a file system takes of them."""

from __future__ import annotations

import re
import unicodedata

from gigawatt.core.errors import shown

_MOST_BYTES = 120  # of a file's name, which mostly holds 255 with what is put behind


def slug(text: str) -> str:
    """``text`` as a name of a folder: lower case, letters and digits of any script, hyphens; bounded in length.

    >>> slug("チャット Übung"), slug("../My  Plan")
    ('チャット-übung', 'my-plan')
    """
    plain = unicodedata.normalize("NFC", text).lower()
    parts = "".join(
        one if one.isalnum() or unicodedata.category(one)[0] == "M" or one in ".-" else " " for one in plain
    )
    name = re.sub(r"[ .-]*[ ][ .-]*", "-", re.sub(r"[.-]{2,}", "-", parts)).strip("-.")
    while len(name.encode()) > _MOST_BYTES:
        name = name[:-1]
    return name.rstrip("-.")


def named(text: str) -> str:
    """``text`` where it is a name: lower case letters and digits of any script, parted by a hyphen or a point.

    Raises ValueError with a sentence and the nearest name.
    """
    plain = unicodedata.normalize("NFC", text)
    near = slug(plain)
    if not plain or plain != near:
        right = near or "my-plan"
        raise ValueError(
            f"{shown(text)} is not a name; write lower case letters, digits and hyphens, for example {right}"
        )
    return plain
