"""Names that look alike and are not the same: letters of other scripts, wide and styled letters, capitals."""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import name as name_of
from unicodedata import normalize

_WORD: re.Pattern[str] = re.compile(r"[^\W\d_]+")
_MIXED = {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"}
"""Scripts with letters that look Latin; in one word with Latin letters they are a slip, or meant to deceive."""

# What the small letters of other scripts look like.
_CYRILLIC = (
    "\u0430\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0442"
    "\u0443\u0445\u0455\u0501\u04bb\u051b\u051d\u0475\u04cf\u044c\u0433"
)
_GREEK = "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03b3\u03b7\u03c9\u03f2"
_SHAPES = str.maketrans(_CYRILLIC + _GREEK, "aeijkmhopctyxsdhqwvlbr" + "aikvoptuxynwc")


def strange_letter(text: str) -> str | None:
    """
    Return the first letter of *text* that looks Latin, stands in one word with Latin letters, and is of another script.

    >>> strange_letter("page"), strange_letter("p\u0430ge"), strange_letter("\u0433\u043e\u0440\u043e\u0434")
    (None, '\u0430', None)
    """
    if text.isascii():
        return None
    for word in _WORD.findall(text):
        scripts = [(_script(char), char) for char in word]
        strange = [char for script, char in scripts if script in _MIXED]
        if strange and len(strange) < len(word) and any(script == "LATIN" for script, _ in scripts):
            return str(strange[0])
    return None


def described(letter: str) -> str:
    """
    Return the name of *letter* for a message.

    >>> described("\u0430")
    'U+0430 CYRILLIC SMALL LETTER A'
    """
    return f"U+{ord(letter):04X} {name_of(letter, 'a letter without a name')}"


def skeleton(text: str) -> str:
    """
    Return what *text* looks like at a glance: two names with one skeleton cannot be told apart.

    >>> skeleton("Fit") == skeleton("\uff46it") == skeleton("f\u0456t") == "fit"
    True
    """
    folded = normalize("NFKC", text).casefold()
    return folded if folded.isascii() else normalize("NFKC", folded.translate(_SHAPES))


@lru_cache(maxsize=1024)
def _script(char: str) -> str:
    return name_of(char, "").partition(" ")[0]
