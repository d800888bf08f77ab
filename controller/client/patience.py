"""How long a client waits, and how often it tries, by multipath.conf: `uxsock_timeout`, as the daemon does, and a tenth
of a second more; `remove_retries`.

In: the texts of the configuration files, in their order. Out: numbers. Only such a keyword is looked for, line by line:
reading the configuration as a whole would take a client longer than its command. A file that can't be read says nothing
here; whoever may not read it gets what is usual.
"""

import os
from collections.abc import Iterable, Iterator

from controller.client.channel import DEFAULT_TIMEOUT

MAIN_FILE = "/etc/multipath.conf"
DROP_INS = "/etc/multipath/conf.d"

_TIMEOUT, _RETRIES = b"uxsock_timeout", b"remove_retries"
_LEAST, _MOST = 4_000, (1 << 31) - 1  # milliseconds, to which the daemon clamps it
_MARGIN = 100  # milliseconds, for the way there and back


def seconds(texts: Iterable[bytes]) -> float:
    """The timeout that these files ask for; the last setting holds."""
    found = _number(_TIMEOUT, texts)
    return DEFAULT_TIMEOUT if found is None else (min(max(found, _LEAST), _MOST) + _MARGIN) / 1000


def retries(texts: Iterable[bytes]) -> int:
    """How often these files ask that the removal of a map is tried again."""
    return min(_number(_RETRIES, texts) or 0, _MOST)


def _number(keyword: bytes, texts: Iterable[bytes]) -> int | None:
    found = None
    for text in texts:
        if keyword in text:
            found = next((value for line in reversed(text.split(b"\n")) if (value := _setting(keyword, line))), found)
    return None if found is None else int(found)


def _setting(keyword: bytes, line: bytes) -> bytes | None:
    """The digits after a keyword."""
    words = line.split(b"#")[0].split(b"!")[0].replace(b'"', b" ").split()
    return words[1][:20] if len(words) > 1 and words[0] == keyword and words[1].isdigit() else None


def configured(main: str = MAIN_FILE, drop_ins: str = DROP_INS) -> float:
    """The timeout of this host."""
    return seconds(_texts(main, drop_ins))


def configured_retries(main: str = MAIN_FILE, drop_ins: str = DROP_INS) -> int:
    """How often this host tries again to remove a map."""
    return retries(_texts(main, drop_ins))


def _texts(main: str, drop_ins: str) -> Iterator[bytes]:
    yield _text(main)
    try:
        names = sorted(os.listdir(drop_ins))
    except OSError:
        return
    yield from (_text(f"{drop_ins}/{name}") for name in names if name.endswith(".conf"))


def _text(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
