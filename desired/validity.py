"""udev's question of a device that it just met: is it a multipath path, and does it belong to nobody else yet?

In: the device as a `Candidate`, who has it, and the configuration's rules. Out: a `Judgement` with its reason and that
one's origin, and the `Reply` that udev gets. It is another question than that of admission: nothing was read from the
device, a WWID that is known counts for more than a second path, and "no" means that others may have the device. Pure;
must never claim what is in use, nor let go what a map holds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from desired import options
from desired.admission import Candidate, Rules, excluded
from desired.config import Config
from desired.derive import identify
from desired.model import Origin, OriginKind, Resolved
from desired.observed import Observed
from desired.precedence import Layers
from desired.values import FindMultipaths
from observers.snapshot import Snapshot, Usage, Wwid

_UNKNOWN_HARDWARE_WAIT = 1
"""Seconds that udev waits for a second path where only known hardware gets more."""

_SHORTEST_WAIT = 1.0
"""Seconds: less is left than udev's timer could count."""

_IGNORING_THE_FILE = {
    FindMultipaths.ON: FindMultipaths.SMART,
    FindMultipaths.STRICT: FindMultipaths.SMART,
    FindMultipaths.OFF: FindMultipaths.GREEDY,
}
"""What find_multipaths becomes when the wwids file shall not count (`multipath -i`)."""


class Validity(Enum):
    """What is_path_valid of multipath-tools says."""

    NOT_VALID = "no"
    VALID = "yes"
    VALID_NO_CHECK = "yes, whatever else is known"
    """Valid also when udev has let others have the device before."""
    MAYBE = "maybe"
    """Only if a second path to its unit shows."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A validity, why, and where that is from."""

    validity: Validity
    reason: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A device, the rules, and what is known of both. `failed`: WWIDs whose map could not be created. `attended`:
    whether a daemon would take the device; None: that is not asked (`multipath -c`)."""

    candidate: Candidate
    rules: Rules
    usage: Usage
    failed: frozenset[Wwid] = frozenset()
    attended: bool | None = None


def is_path_valid(case: Case) -> Judgement:
    """The first rule that has something to say; the last one always has."""
    return next(found for rule in _RULES if (found := rule(case)) is not None)


_IMPLIED, _HOLDER = Origin(OriginKind.IMPLIED), Origin(OriginKind.EXISTING_MAP)


def _held(case: Case) -> Judgement | None:
    if not case.usage.maps:
        return None
    reason = f"the map of {case.usage.maps[0]} is on top of it"
    return Judgement(Validity.VALID_NO_CHECK, reason, _HOLDER)


def _unattended(case: Case) -> Judgement | None:
    if case.attended is not False:
        return None
    return Judgement(Validity.NOT_VALID, "no multipath daemon would take it: none runs, and none is enabled", _IMPLIED)


def _kept_out(case: Case) -> Judgement | None:
    """No disk, blacklisted, or without a WWID."""
    found = excluded(case.rules, case.candidate)
    return None if found is None else Judgement(Validity.NOT_VALID, found.reason, found.origin)


def _failed(case: Case) -> Judgement | None:
    if case.candidate.wwid not in case.failed:
        return None
    reason = f"the map of {case.candidate.wwid} could not be created before"
    return Judgement(Validity.NOT_VALID, reason, _IMPLIED)


def _used(case: Case) -> Judgement | None:
    """Only where an unknown device could be claimed: there somebody may have it already."""
    if case.rules.find_multipaths.value not in (FindMultipaths.GREEDY, FindMultipaths.SMART) or not case.usage.uses:
        return None
    return Judgement(Validity.NOT_VALID, f"it is in use: {case.usage.uses[0]}", _IMPLIED)


def _greedy(case: Case) -> Judgement | None:
    if case.rules.find_multipaths.value is not FindMultipaths.GREEDY:
        return None
    return _by_mode(case, Validity.VALID, "every device that is not blacklisted")


def _remembered(case: Case) -> Judgement | None:
    if case.candidate.wwid not in case.rules.wwids:
        return None
    return _by_mode(case, Validity.VALID_NO_CHECK, "its WWID is in the wwids file")


def _mapped(case: Case) -> Judgement | None:
    if case.candidate.wwid not in case.rules.maps:
        return None
    return _by_mode(case, Validity.VALID, "a map of its WWID exists")


def _unknown(case: Case) -> Judgement:
    if case.rules.find_multipaths.value is FindMultipaths.SMART:
        return _by_mode(case, Validity.MAYBE, "a second path to its unit may show")
    return _by_mode(case, Validity.NOT_VALID, "its WWID is not in the wwids file, and no map has it")


def _by_mode(case: Case, validity: Validity, reason: str) -> Judgement:
    mode = case.rules.find_multipaths
    return Judgement(validity, f"find_multipaths {mode.value}: {reason}", mode.origin)


_RULES: tuple[Callable[[Case], Judgement | None], ...] = (
    _held,
    _unattended,
    _kept_out,
    _failed,
    _used,
    _greedy,
    _remembered,
    _mapped,
    _unknown,
)
"""In the order of multipath-tools' is_path_valid."""


# What has to be known for a case


def ignoring_the_file(mode: Resolved[FindMultipaths]) -> Resolved[FindMultipaths]:
    """find_multipaths when the wwids file shall not count (`multipath -i`)."""
    changed = _IGNORING_THE_FILE.get(mode.value)
    return mode if changed is None else Resolved(changed, Origin(OriginKind.COMMAND_LINE, why=f"-i, for {mode.value}"))


def identified(config: Config, snapshot: Snapshot, known: Observed, environment: Mapping[str, str]) -> Candidate:
    """The one device of a snapshot. While udev works on a device for the first time its database does not have it yet:
    then the WWID is in `environment`, which is udev's own. All other properties are asked of the database alone, as
    multipath-tools does."""
    (path,) = snapshot.paths
    (candidate,) = identify(config, snapshot, known)
    attribute = candidate.attribute.value
    value = environment.get(attribute, "") if attribute else ""
    if path.udev.get(attribute) or not value:
        return candidate
    told = replace(path, udev={**path.udev, attribute: value})
    (better,) = identify(config, replace(snapshot, paths=(told,)), known)
    return replace(better, path=path)


def companions(rules: Rules, candidate: Candidate, others: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The other devices that may be paths to the same unit."""
    same = (each for each in others if each.wwid == candidate.wwid)
    return tuple(each for each in same if excluded(rules, each) is None)


def second_path_wait(layers: Layers) -> int:
    """How many seconds udev waits for a second path (find_multipaths_timeout). Negative: known hardware only."""
    seconds = layers.require(options.FIND_MULTIPATHS_TIMEOUT).value
    if seconds >= 0:
        return seconds
    return -seconds if layers.known_hardware else _UNKNOWN_HARDWARE_WAIT


# What follows from a judgement


def once_released(judgement: Judgement, told: str) -> Judgement:
    """A device that others may have had since udev said no. `told`: DM_MULTIPATH_DEVICE_PATH as udev has it so far."""
    if told != Answer.NO or judgement.validity not in (Validity.VALID, Validity.MAYBE):
        return judgement
    return Judgement(Validity.NOT_VALID, "udev has said before that it is no path, so others may have it", _IMPLIED)


def once_taken(usage: Usage, why: str) -> Judgement:
    """A device that can't be opened exclusively, with its usage after that: somebody has it, maybe a new map."""
    if usage.maps:
        return Judgement(Validity.VALID, f"the map of {usage.maps[0]} is on top of it", _HOLDER)
    return Judgement(Validity.NOT_VALID, f"it can't be opened exclusively: {why}", _IMPLIED)


def once_accompanied(judgement: Judgement, others: Iterable[Candidate]) -> Judgement:
    """A device that may be a path, among other devices of its unit."""
    names = ", ".join(each.path.name for each in others)
    if judgement.validity is not Validity.MAYBE or not names:
        return judgement
    return Judgement(Validity.VALID, f"{names} also leads to its unit", judgement.origin)


class Answer(StrEnum):
    """Values of the udev property DM_MULTIPATH_DEVICE_PATH."""

    NO = "0"
    YES = "1"
    MAYBE = "2"


NO_DISK = Judgement(Validity.NOT_VALID, "it is no whole disk that could be a path", _IMPLIED)
"""What is said of partitions and of virtual devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What udev is told. `wait`: seconds that are left of the wait for a second path; 0: it is over; None: there never
    was one, or it does not matter."""

    answer: Answer
    judgement: Judgement
    wait: float | None = None

    @property
    def text(self) -> str:
        """The lines that udev imports."""
        lines = [f'DM_MULTIPATH_DEVICE_PATH="{self.answer}"']
        if self.wait is not None:
            whole = int(self.wait)
            left = f"{whole}.{int((self.wait - whole) * 1_000_000):06d}" if self.wait else "0"
            lines.insert(0, f'FIND_MULTIPATHS_WAIT_UNTIL="{left}"')
        return "".join(f"{line}\n" for line in lines)


def reply(judgement: Judgement, *, until: float | None, now: float) -> Reply:
    """The reply. `until`: when the wait ends or ended, in seconds since 1970, as `now`; None: there is none."""
    wait = None if until is None else _left(until - now)
    if judgement.validity is Validity.MAYBE and not wait:
        over = "the wait for a second path is over" if wait is not None else "no wait for a second path could begin"
        judgement = Judgement(Validity.NOT_VALID, over, judgement.origin)
    return Reply(answer=_ANSWERS[judgement.validity], judgement=judgement, wait=wait)


def _left(seconds: float) -> float:
    return seconds if seconds >= _SHORTEST_WAIT else 0.0


_ANSWERS = {
    Validity.NOT_VALID: Answer.NO,
    Validity.VALID: Answer.YES,
    Validity.VALID_NO_CHECK: Answer.YES,
    Validity.MAYBE: Answer.MAYBE,
}
