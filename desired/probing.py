"""Which checker and which prioritizer apply to a path, and which devices are to be asked at all.

In: the configuration, and a snapshot; what the paths of it were asked so far may be nothing. Out: a `Probe` for each
path that is to be asked. Pure. A device that the blacklist names is sent no command, except where it is part of a map
already: whoever changes that map must know which of its paths work. Must never decide by what was not seen.
"""

from collections.abc import Mapping

from desired import options
from desired.admission import Candidate, excluded
from desired.config import Config
from desired.derive import Identifier, config_in, rules_in_force
from desired.model import Verdict
from desired.observed import observe
from desired.precedence import Layers
from desired.selection import RDAC_PAGE, PathProfile, PathTraits, array_checker, path_profile, traits_of
from desired.values import VpdVendor
from observers import identity_3par
from observers.breathing import Breathe, without_pause
from observers.checkers import rdac
from observers.errors import ConfigError
from observers.probe import WITH_IDENTITY, Probe, Probing, by_bus
from observers.snapshot import Bus, DeviceName, Path, Snapshot

_VENDOR_PAGES = {VpdVendor.HP3PAR: identity_3par.PAGE}
_NEVER_ASKED = frozenset({Verdict.BLACKLISTED, Verdict.NOT_A_DISK})


class Prober:
    """Says what to ask the device of a path; remembers what is the same for many. `everything`: also of blacklisted
    devices, for who wants to know what another configuration would make of them."""

    def __init__(
        self, config: Config, snapshot: Snapshot, *, everything: bool = False, breathe: Breathe = without_pause
    ) -> None:  # fmt: skip
        known = observe(snapshot, breathe)
        breathe()
        self._members = known.members
        self.identifier = Identifier(config, known)
        """Who the devices are."""
        self._rules = rules_in_force(config, snapshot, known)
        self._everything = everything
        self._profiles: dict[tuple[Layers, PathTraits], PathProfile] = {}

    def __call__(self, path: Path) -> Probe | None:
        """What to ask the device of a path; None: nothing."""
        candidate = self.identifier.candidate(path)
        if not (self._everything or path.dev in self._members or self._may_be_a_path(candidate)):
            return None
        profile = self._profile(candidate)
        pages, if_listed = _pages(candidate) if path.bus is Bus.SCSI else ((), ())
        return Probe(
            checker=profile.checker.value,
            checker_timeout=profile.checker_timeout.value,
            prioritizer=profile.prioritizer.value,
            prioritizer_arguments=profile.arguments.value,
            identity=path.bus in WITH_IDENTITY,
            pages=pages,
            if_listed=if_listed,
        )

    def _may_be_a_path(self, candidate: Candidate) -> bool:
        out = excluded(self._rules, candidate)
        return out is None or out.verdict not in _NEVER_ASKED

    def _profile(self, candidate: Candidate) -> PathProfile:
        key = (candidate.layers, traits_of(candidate.path))
        if key not in self._profiles:
            self._profiles[key] = path_profile(*key)
        return self._profiles[key]


def _pages(candidate: Candidate) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The vendor's pages to read, and those to read if the device has them. Whether an array is of the rdac kind is
    asked where the device table says so, and where it names no checker at all."""
    layers = candidate.layers
    vendor = _VENDOR_PAGES.get(layers.require(options.VPD_VENDOR_OPTION).value)
    wanted = () if vendor is None else (vendor,)
    if not (layers.require(options.DETECT_CHECKER).value or layers.require(options.DETECT_PRIO).value):
        return wanted, ()
    named = array_checker(layers)
    return (*wanted, *((RDAC_PAGE,) if named == rdac.NAME else ())), () if named else (RDAC_PAGE,)


def probes(config: Config, snapshot: Snapshot) -> Mapping[DeviceName, Probe]:
    """What to ask each path of a snapshot, by all that it has answered so far. Devices to leave alone are not in it."""
    prober = Prober(config, snapshot)
    found = ((path.name, prober(path)) for path in snapshot.paths)
    return {name: probe for name, probe in found if probe is not None}


def probing_in(snapshot: Snapshot, *, everything: bool = False) -> Probing:
    """By the configuration whose texts are in the snapshot. One that can't be used decides nothing, and nothing will be
    done by it: then each device is asked what its bus suggests."""
    if observe(snapshot).no_configuration:
        return by_bus
    try:
        return Prober(config_in(snapshot), snapshot, everything=everything)
    except ConfigError:
        return by_bus
