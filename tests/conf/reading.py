"""Short ways to read configuration text in tests."""

from typing import Any

from desired.conf.parser import ParsedFile, parse
from desired.config import Config, load_config
from desired.options import GRAMMAR, Section
from desired.values import Account, Field, Reading, Surroundings
from observers.snapshot import TextFile

MAIN = "/etc/multipath.conf"
HOST = Surroundings(accounts={"root": Account(0, 0), "daemon": Account(1, 12)}, nr_open=1000)


def parsed(text: str) -> ParsedFile:
    return parse(TextFile(MAIN, text), surroundings=HOST)


def config(text: str, *drop_ins: str, native_nvme: bool = False) -> Config:
    files = [TextFile(MAIN, text)]
    files += [TextFile(f"/etc/multipath/conf.d/{n}.conf", drop_in) for n, drop_in in enumerate(drop_ins)]
    host = Surroundings(accounts=HOST.accounts, nr_open=HOST.nr_open, native_nvme=native_nvme)
    return load_config(tuple(files), surroundings=host)


def reading(keyword: str, text: str, section: Section = Section.DEFAULTS) -> Reading[Any]:
    """What a keyword's value text comes to."""
    option = GRAMMAR[section][keyword]
    return option.kind.read(Field(keyword, text, MAIN, 3, HOST))


def texts(messages: tuple[Any, ...]) -> list[str]:
    return [message.text for message in messages]
