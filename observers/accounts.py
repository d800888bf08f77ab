"""The users that a configuration mentions, by the host's user database.

In: a `Reader` and the texts of the configuration. Out: user id and primary group id of each user whose name is a word
of them. /etc/passwd is read as a file: who is asked through the name service may live on the very disks that are being
set up. Groups are not looked at, as `gid` takes a user's name in multipath.conf. It must never say what a text means.
"""

import re
from collections.abc import Iterable

from observers.reading import NOT_PROVIDED, Reader
from observers.snapshot import Account, TextFile

USERS_FILE = "/etc/passwd"

_WORD = re.compile(r'[^\s"{}]+')
_KEYWORDS = frozenset({"uid", "gid"})
"""Where none of them stands, no name can be meant."""
_FIELDS = 4  # as many of a line's as matter: name, password, user id, group id


def observe(reader: Reader, texts: Iterable[TextFile]) -> dict[str, Account]:
    """The users by name; none where the texts mention none, or there is no user database."""
    words = {word for file in texts for word in _WORD.findall(file.text)}
    if words.isdisjoint(_KEYWORDS):
        return {}
    known = reader.text(USERS_FILE, "users", quiet=NOT_PROVIDED) or ""
    found: dict[str, Account] = {}
    for line in known.split("\n"):
        fields = line.split(":")
        if fields[0] in words and fields[0] not in found and _is_account(fields):
            found[fields[0]] = Account(uid=int(fields[2]), gid=int(fields[3]))
    return found


def _is_account(fields: list[str]) -> bool:
    return len(fields) >= _FIELDS and all(field.isascii() and field.isdigit() for field in fields[2:_FIELDS])
