"""Reading the configuration in a running daemon: by a worker, since the files may lie on a dead disk, and large ones
take their time to parse; and a broken text never takes the place of a good one.

In: a host and where the files are. Out: texts with the accounts that they mention, and a `Config` of them. It must
never put a configuration in force: that is for whoever asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.runtime.cycle import Files
from desired.config import Config, load_config
from desired.values import ROOT, Surroundings
from observers import accounts, config_files
from observers.config_files import Places, Texts
from observers.errors import InputError
from observers.host import ReadHost
from observers.reading import Reader
from observers.snapshot import Account, HostFacts

_STATE_FILES = ("/bindings", "/wwids", "/prkeys")


@dataclass(frozen=True, slots=True)
class Read:
    """What was read. Nothing is said about whether it can be used."""

    texts: Texts
    accounts: Mapping[str, Account]


def reader(host: ReadHost, files: Files) -> Callable[[], Read]:
    """A call for a worker."""
    places = Places(files.config, files.config_dir, files.state_dir)

    def read() -> Read:
        texts = config_files.observe(host, places)
        return Read(texts, accounts.observe(Reader(host, "host"), texts.configuration))

    return read


@dataclass(frozen=True, slots=True)
class Understood:
    """What was read, and the configuration in it."""

    read: Read
    config: Config


def understander(host: ReadHost, files: Files, facts: HostFacts) -> Callable[[], Understood]:
    """A call for a worker, which reads and parses. It raises what `loaded` raises."""
    read = reader(host, files)

    def understand() -> Understood:
        found = read()
        return Understood(found, loaded(found, files, facts))

    return understand


def loaded(read: Read, files: Files, facts: HostFacts) -> Config:
    """The configuration in what was read. `ConfigError` or `InputError`: it can't be used, and why."""
    for gap in read.texts.gaps:
        if not gap.subject.endswith(_STATE_FILES):
            raise InputError(f"{gap.subject}: {gap.what}: {gap.reason}", hint="the configuration in force stays")
    surroundings = Surroundings(accounts={**ROOT, **read.accounts}, native_nvme=facts.native_nvme_multipath)
    return load_config(read.texts.configuration, main=files.config, surroundings=surroundings)
