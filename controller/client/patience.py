"""How long a client waits: `uxsock_timeout` of multipath.conf, as the daemon does, and a tenth of a second more.

In: the texts of the configuration files, in their order. Out: seconds. Only that one keyword is looked for, line by
line: reading the configuration as a whole would take a client longer than its command. A file that can't be read says
nothing here; whoever may not read it gets the usual timeout.
"""

import os
from collections.abc import Iterable, Iterator

from controller.client.channel import DEFAULT_TIMEOUT

MAIN_FILE = "/etc/multipath.conf"
DROP_INS = "/etc/multipath/conf.d"

_KEYWORD = b"uxsock_timeout"
_LEAST, _MOST = 4_000, (1 << 31) - 1  # milliseconds, to which the daemon clamps it
_MARGIN = 100  # milliseconds, for the way there and back


def seconds(texts: Iterable[bytes]) -> float:
    """The timeout that these files ask for; the last setting holds."""
    found = DEFAULT_TIMEOUT
    for text in texts:
        if _KEYWORD in text:
            found = next((value for line in reversed(text.split(b"\n")) if (value := _setting(line))), found)
    return found


def _setting(line: bytes) -> float | None:
    words = line.split(b"#")[0].split(b"!")[0].replace(b'"', b" ").split()
    if len(words) < 2 or words[0] != _KEYWORD or not words[1].isdigit():
        return None
    return (min(max(int(words[1][:20]), _LEAST), _MOST) + _MARGIN) / 1000


def configured(main: str = MAIN_FILE, drop_ins: str = DROP_INS) -> float:
    """The timeout of this host."""
    return seconds(_texts(main, drop_ins))


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
