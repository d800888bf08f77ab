"""Reading the configuration in a running daemon: the files by a worker, since they may lie on a dead disk; and a broken
text never takes the place of a good one.

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

_STATE_FILES = ("/bindings", "/wwids")


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


def loaded(read: Read, files: Files, facts: HostFacts) -> Config:
    """The configuration in what was read. `ConfigError` or `InputError`: it can't be used, and why."""
    for gap in read.texts.gaps:
        if not gap.subject.endswith(_STATE_FILES):
            raise InputError(f"{gap.subject}: {gap.what}: {gap.reason}", hint="the configuration in force stays")
    surroundings = Surroundings(accounts={**ROOT, **read.accounts}, native_nvme=facts.native_nvme_multipath)
    return load_config(read.texts.configuration, main=files.config, surroundings=surroundings)
