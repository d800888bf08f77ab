"""`multipath -a`, `-w` and `-W`: the wwids file, which says whose WWIDs may have a map.

In: a `Subject`, and a host. Out: one line on standard output, as scripts expect it, and an exit status. A device is
named by its node, its number, or a map's name, alias or WWID; no command is sent to it.
"""

import sys

from actuators.records import forget_wwid, remember_wwid, reset_wwids
from actuators.steps import Changed, Outcome, Refused, RememberWwid, Unchanged
from controller.cli.multipath_arguments import Job, Kind
from controller.cli.multipath_program import FAIL, OK, Subject
from desired import options
from desired.admission import Blacklist, excluded
from desired.config import Config, load_config
from desired.derive import rules_in_force
from desired.entries import MultipathEntry
from desired.naming import Bindings
from desired.observed import observe
from desired.validity import identified
from desired.values import Surroundings
from observers import claim, config_files, devicemapper
from observers.config_files import STATE_DIRECTORY, Places
from observers.errors import InputError, MpathError
from observers.host import ClaimHost
from observers.kernel.real_host import RealHost
from observers.snapshot import DeviceName, Wwid

WWIDS_FILE = f"{STATE_DIRECTORY}/wwids"


def run(subject: Subject) -> int:
    """Do it on this host."""
    return change(RealHost(), subject)


def change(host: ClaimHost, subject: Subject) -> int:
    """Do it on a host: the exit status."""
    try:
        return _JOBS[subject.invocation.job](host, subject)
    except MpathError as error:
        subject.say(0, str(error))
        return FAIL


def _add(host: ClaimHost, subject: Subject) -> int:
    wwid = wwid_of(host, subject, blacklisted=False)
    if not wwid:
        return FAIL
    outcome = remember_wwid(host, RememberWwid(file=WWIDS_FILE, wwid=wwid))
    if _done(outcome, subject):
        return _print(f"wwid '{wwid}' added", OK)
    return _print(f"failed adding '{wwid}' to wwids file", FAIL)


def _remove(host: ClaimHost, subject: Subject) -> int:
    wwid = wwid_of(host, subject, blacklisted=True)
    if not wwid:
        return FAIL
    outcome = forget_wwid(host, WWIDS_FILE, wwid)
    if not _done(outcome, subject):
        return FAIL
    return _print(f"wwid '{wwid}' removed" if isinstance(outcome, Changed) else f"wwid '{wwid}' not in wwids file", OK)


def _reset(host: ClaimHost, subject: Subject) -> int:
    found = devicemapper.observe(host)
    if any(gap.subject == "device-mapper" for gap in found.gaps):
        raise InputError("; ".join(f"{gap.what}: {gap.reason}" for gap in found.gaps))
    outcome = reset_wwids(host, WWIDS_FILE, [each.wwid for each in found.maps])
    return _print("successfully reset wwids", OK) if _done(outcome, subject) else FAIL


_JOBS = {Job.ADD_WWID: _add, Job.REMOVE_WWID: _remove, Job.RESET_WWIDS: _reset}


def _done(outcome: Outcome, subject: Subject) -> bool:
    if isinstance(outcome, Refused):
        subject.say(0, outcome.message)
    return isinstance(outcome, Changed | Unchanged)


def _print(line: str, status: int) -> int:
    sys.stdout.write(f"{line}\n")
    return status


def wwid_of(host: ClaimHost, subject: Subject, *, blacklisted: bool) -> Wwid | None:
    """The WWID that a device's name stands for; None: there is none to be had. `blacklisted`: it may be that, too."""
    if subject.kind is Kind.MAP:
        return _of_map(host, subject, blacklisted=blacklisted)
    name = DeviceName(subject.node) if subject.node else claim.find(host, subject.device)
    if name is None:
        raise InputError(f"{subject.device}: cannot find block device")
    snapshot = claim.observe(host, name, Places())
    if not snapshot.paths:
        raise InputError(f"{name}: it is no disk that could be a path")
    config = _configuration(host)
    known = observe(snapshot)
    candidate = identified(config, snapshot, known, {})
    reason = None if blacklisted else excluded(rules_in_force(config, snapshot, known), candidate)
    if reason is not None:
        subject.say(3, f"{name}: {reason.reason}")
        return None
    return candidate.wwid or None


def _of_map(host: ClaimHost, subject: Subject, *, blacklisted: bool) -> Wwid | None:
    """By the map that has the name, else by who is to have it, else the name is a WWID itself."""
    config = _configuration(host)
    wwid = _mapped(host, subject) or _named(host, config, subject.device) or Wwid(subject.device)
    match = Blacklist(config).wwid(wwid)
    if match.outcome.blocks and not blacklisted:
        subject.say(3, f"{wwid}: {match.reason}")
        return None
    return wwid


def _mapped(host: ClaimHost, subject: Subject) -> Wwid | None:
    """The WWID of the map of a name, or of its node."""
    name = subject.device.removeprefix("mapper/")
    for live in devicemapper.observe(host).maps:
        if live.name == name or (subject.node and claim.find(host, live.dev) == subject.node):
            return live.wwid
    return None


def _named(host: ClaimHost, config: Config, name: str) -> Wwid | None:
    """Whose alias a name is, by the bindings file or by the configuration."""
    bindings = config_files.observe(host, Places()).bindings
    bound = Bindings.parse(bindings.text if bindings else None).aliases.get(name)
    return bound or next((wwid for wwid, entry in config.multipaths.items() if _alias(entry) == name), None)


def _alias(entry: MultipathEntry) -> object:
    found = entry.settings.get(options.ALIAS.key)
    return None if found is None or entry.alias_taken_by else found.value


def _configuration(host: ClaimHost) -> Config:
    texts = config_files.observe(host, Places())
    return load_config(texts.configuration, main=Places().main, surroundings=Surroundings())
