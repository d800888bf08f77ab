"""What to ask the device of a path: the nouns with which whoever knows the configuration tells those who observe.

In: nothing. Out: `Probe`, and `by_bus`, which is what holds where no configuration says otherwise. It decides nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from observers.checkers import DEFAULT_TIMEOUT, default_checker
from observers.identity_nvme import supports_ana
from observers.prioritizers import ana
from observers.snapshot import Bus, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What to ask a device.

    `checker`: who says whether the path works, in at most `checker_timeout` seconds. `prioritizer`: who says how good
    it is; most know without asking. `identity`: whether to ask who it is. `pages`: VPD pages of the vendor's to read
    then; those in `if_listed` only when the device lists them.
    """

    checker: str
    checker_timeout: int
    prioritizer: str = ""
    prioritizer_arguments: str = ""
    identity: bool = True
    pages: tuple[int, ...] = ()
    if_listed: tuple[int, ...] = ()


Probing = Callable[[Path], Probe | None]
"""What to ask the device of a path, as far as the path is known; None: nothing. It is asked twice: before the device
said who it is, and after, since that may decide who checks it."""

WITH_IDENTITY = frozenset({Bus.SCSI, Bus.NVME})
"""The buses whose devices can be asked who they are."""


def by_bus(path: Path) -> Probe:
    """What to ask where no configuration could be read."""
    return Probe(
        checker=default_checker(path.bus),
        checker_timeout=path.timeout or DEFAULT_TIMEOUT,
        prioritizer=ana.NAME if path.nvme_identity and supports_ana(path.nvme_identity) else "",
        identity=path.bus in WITH_IDENTITY,
    )
