"""The udev database, read as files: the properties that the rules gave a block device.

In: a kernel device name and a way to read files. Out: its properties: those of the kernel's own event first, then those
of the database in its order. Reading takes no library, forks nothing and holds no lock, so it is what udev's own
question (`multipath -u`) and a daemon without its root file system can do. It must never wait for udev.

The format is that of systemd's sd-device: `/run/udev/data/bMAJOR:MINOR`, a line for each fact, a letter and a colon
before it: `E:KEY=VALUE` a property, `S:` a link under /dev, `I:` microseconds since boot when the rules first ran, `G:`
and `Q:` tags. libudev makes the properties DEVLINKS, USEC_INITIALIZED, TAGS and CURRENT_TAGS of the last ones.
"""

import errno
import os
from collections.abc import Callable, Mapping
from sys import intern

DATABASE = "/run/udev/data"
_CLASS = "/sys/class/block"

Read = Callable[[str], bytes]


def properties(name: str, read: Read, real_path: Callable[[str], str]) -> Mapping[str, str]:
    """The properties of a block device by its kernel name.

    `OSError`: ENODEV when there is no such device, EILSEQ when a value is not text.
    """
    try:
        place = real_path(f"{_CLASS}/{name}")
        event = _text(read(f"{place}/uevent"), name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name) from error
    found = {"DEVPATH": place.removeprefix("/sys"), "SUBSYSTEM": "block"} | _of_kernel(event)
    try:
        database = _text(read(f"{DATABASE}/b{found.get('MAJOR', '')}:{found.get('MINOR', '')}"), name)
    except FileNotFoundError:
        return found  # the rules have not run for this device yet
    return found | _of_rules(database)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), name) from error


def _of_kernel(event: str) -> dict[str, str]:
    """The lines of sysfs `uevent`; the kernel names the node without its directory. Keys, which all disks
    share, are kept once."""
    pairs = (line.partition("=") for line in event.split("\n"))
    found = {intern(key): value for key, sign, value in pairs if sign}
    if "DEVNAME" in found:
        found["DEVNAME"] = f"/dev/{found['DEVNAME'].removeprefix('/dev/')}"
    return found


def _of_rules(database: str) -> dict[str, str]:
    """The lines of the database."""
    facts: dict[str, list[str]] = {}
    for line in database.split("\n"):
        letter, sign, value = line.partition(":")
        if sign:
            facts.setdefault(letter, []).append(value)
    pairs = (fact.partition("=") for fact in facts.get("E", ()))
    found = {intern(key): value for key, sign, value in pairs if sign}
    if "S" in facts:
        found["DEVLINKS"] = " ".join(f"/dev/{link}" for link in facts["S"])
    if "I" in facts:
        found["USEC_INITIALIZED"] = facts["I"][0]
    found |= {name: ":" + ":".join(facts[letter]) + ":" for letter, name in _TAGS if letter in facts}
    return found


_TAGS = (("G", "TAGS"), ("Q", "CURRENT_TAGS"))
