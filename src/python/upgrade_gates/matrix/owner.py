"""The owner of the driver step: a person who can be reached, and no account or team."""

from __future__ import annotations

import re

from upgrade_gates.errors import OwnerUnusable

_ROLES = frozenset(
    "account admin administrator anyone call cluster debian devops engineer everyone gpu group "
    "infra me ml mlops n/a na nobody none on oncall on-call operations operator ops owner person "
    "platform root server sre somebody someone staff sudo support sysadmin system tbd team test "
    "the todo ubuntu unknown user vllm we".split()
)
"""Words that name no person, however many stand together."""

_LETTER = re.compile(r"[^\W\d_]")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]{2,}")
"""Names in Chinese, Japanese and Korean have no space between their parts."""

_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]{2,}")


def checked_owner(text: str) -> str:
    """Return the name of a person: first and last name, or a name with an e-mail address.

    Raises:
        OwnerUnusable: it is empty, one word, or names an account or a team.
    """
    name = " ".join(text.split())
    words = [word for word in re.split(r"[\s,<>()]+", name) if _LETTER.search(word)]
    plain = [word for word in words if not _ADDRESS.fullmatch(word)]
    person = [word for word in plain if word.lower().strip(".") not in _ROLES]
    ideographs = _IDEOGRAPHS.search("".join(person)) is not None
    spelled = ideographs or any(_is_spelled(word) for word in person)
    reachable = len(person) >= 2 or ideographs or len(words) > len(plain)
    if not (spelled and reachable) or len(person) * 2 <= len(plain):
        raise OwnerUnusable(
            f"--owner {text!r}: name the person who will be at the host by first and last name, or "
            "with an e-mail address; an account or a team cannot be asked at night"
        )
    return name


def _is_spelled(word: str) -> bool:
    """Whether a word is more than an initial or one letter again and again."""
    return len({letter.lower() for letter in _LETTER.findall(word)}) >= 2
