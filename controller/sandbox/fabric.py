"""Arrays that live: what their units are and where they are shown now, and what they answer to a command.

In: the arrays of a scenario, then changes (unmap, resize, another access state), then commands from a disk's nexus.
Out: replies. An array knows nothing of the host: what the host has cached, and what its states are, is in `disks`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from controller.sandbox import pages
from controller.sandbox.registrations import WRITE_EXCLUSIVE_REGISTRANTS_ONLY, Registrations
from controller.sandbox.san import AccessState, Array, Group, Lun
from observers.host import ScsiReply
from observers.kernel import reservation

Sense = tuple[int, int, int]

NO_SUCH_UNIT: Sense = (0x5, 0x25, 0x00)
INVALID_FIELD: Sense = (0x5, 0x24, 0x00)
INVALID_OPCODE: Sense = (0x5, 0x20, 0x00)
WRITE_PROTECTED: Sense = (0x7, 0x27, 0x00)

ALUA_CHANGED: Sense = (0x6, 0x2A, 0x06)
REGISTRATIONS_PREEMPTED: Sense = (0x6, 0x2A, 0x05)
CAPACITY_CHANGED: Sense = (0x6, 0x2A, 0x09)
LUNS_CHANGED: Sense = (0x6, 0x3F, 0x0E)

_NOT_READY: Mapping[AccessState, Sense] = {
    AccessState.STANDBY: (0x2, 0x04, 0x0B),
    AccessState.UNAVAILABLE: (0x2, 0x04, 0x0C),
    AccessState.TRANSITIONING: (0x2, 0x04, 0x0A),
    AccessState.OFFLINE: (0x2, 0x04, 0x12),
}
"""What a port in such a state says to commands for the medium, and to TEST UNIT READY (SPC-5 clause 5.18.2)."""

_TEST_UNIT_READY, _INQUIRY, _READ, _RESERVE_IN, _REPORT_LUNS, _MAINTENANCE_IN = 0x00, 0x12, 0x28, 0x5E, 0xA0, 0xA3
_SECTOR = 512
_EXTENDED_FORMAT = 0x20
_NO_ATTENTION = (_INQUIRY, _REPORT_LUNS)
"""Commands that neither report nor clear a unit attention (SAM-6 clause 5.14)."""


def good(data: bytes = b"") -> ScsiReply:
    """Status GOOD."""
    return ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=data)


def check_condition(what: Sense) -> ScsiReply:
    """CHECK CONDITION with sense data."""
    return ScsiReply(status=2, host_status=0, driver_status=0, sense=pages.sense(*what), data=b"")


@dataclass(slots=True, eq=False)
class Unit:
    """A logical unit now. `states`: of each target port group, by its number. `medium`: what was written to it, by the
    byte where it begins; all else is zero. `registrations`: None: the array knows no persistent reservations."""

    spec: Lun
    size: int
    read_only: bool
    states: dict[int, AccessState]
    medium: dict[int, bytes] = field(default_factory=dict)
    registrations: Registrations | None = field(default_factory=Registrations)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the medium."""
        data = bytearray(length)
        for start, written in self.medium.items():
            first, last = max(start, offset), min(start + len(written), offset + length)
            if first < last:
                data[first - offset : last - offset] = written[first - start : last - start]
        return bytes(data)


@dataclass(slots=True, eq=False)
class Nexus:
    """One initiator port, one target port, one LUN: to whom unit attentions are owed."""

    initiator: str
    port: str
    number: int
    attentions: list[Sense] = field(default_factory=list)

    @property
    def registrant(self) -> tuple[str, str]:
        """Under whom a registration is kept, also while the host has no such disk."""
        return self.initiator, self.port


class LiveArray:
    """An array now. `shown`: which unit stands behind each logical unit number; unmapped numbers are not in it."""

    def __init__(self, spec: Array) -> None:
        self.spec = spec
        self.units = {lun.number: Unit(lun, lun.size, lun.read_only, _states(spec, lun)) for lun in spec.luns}
        self.shown = dict(self.units)
        self._nexuses: list[Nexus] = []
        self._groups = {port: group for group in spec.groups for port in group.ports}
        self._relative = {port: place for place, port in enumerate(spec.ports, 1)}
        self._ports = spec.ports
        self._own_pages = {group.id: _own_pages(spec, group.id) for group in spec.groups}

    def connect(self, initiator: str, port: str, number: int) -> Nexus:
        """A new nexus, for a disk that a host has found."""
        nexus = Nexus(initiator, port, number)
        self._nexuses.append(nexus)
        return nexus

    def disconnect(self, nexus: Nexus) -> None:
        """Forget a nexus."""
        self._nexuses.remove(nexus)

    def group_of(self, port: str) -> Group:
        """The target port group of a port."""
        return self._groups[port]

    def identity(self, nexus: Nexus) -> pages.Identity | None:
        """Whom a command through this nexus reaches; None: no unit."""
        unit = self.shown.get(nexus.number)
        if unit is None:
            return None
        spec = self.spec
        return pages.Identity(
            vendor=spec.vendor,
            product=spec.product,
            revision=spec.revision,
            serial=unit.spec.serial,
            naa=unit.spec.naa,
            tpgs=spec.tpgs,
            group=self._groups[nexus.port].id,
            relative_port=self._relative[nexus.port],
            port=nexus.port,
            node=spec.node,
            own_pages=self._own_pages[self._groups[nexus.port].id],
        )

    def state(self, nexus: Nexus) -> AccessState:
        """The access state of the unit's port; optimized where there is no ALUA."""
        unit = self.shown.get(nexus.number)
        return AccessState.OPTIMIZED if unit is None else unit.states[self._groups[nexus.port].id]

    # ---- what an administrator of the array does

    def unmap(self, number: int) -> None:
        """No longer show a unit."""
        self.shown.pop(number, None)

    def show(self, number: int, unit: int) -> None:
        """Show a unit under a number; another one than before says so at the next command."""
        changed = self.shown.get(number) is not self.units[unit]
        self.shown[number] = self.units[unit]
        if changed:
            self._attention(LUNS_CHANGED, lambda nexus: nexus.number == number)

    def resize(self, number: int, size: int) -> None:
        """Give a unit another size, in sectors."""
        self.units[number].size = size
        self._attention(CAPACITY_CHANGED, self._shows(number))

    def protect(self, number: int, *, read_only: bool) -> None:
        """Make a unit read-only, or writable again."""
        self.units[number].read_only = read_only

    def set_state(self, group: int, state: AccessState, *, unit: int | None = None) -> None:
        """Put a group into another access state, for one unit or for all; initiators are told."""
        for number in self.units if unit is None else (unit,):
            if self.units[number].states[group] is not state:
                self.units[number].states[group] = state
                self._attention(ALUA_CHANGED, self._shows(number))

    def activate(self, nexus: Nexus) -> None:
        """SET TARGET PORT GROUPS from an initiator: its group becomes optimized, the one that was so no longer is."""
        unit, chosen = self.shown[nexus.number], self._groups[nexus.port].id
        if unit.states[chosen] is AccessState.OPTIMIZED:
            return
        for group, state in unit.states.items():
            if state is AccessState.OPTIMIZED:
                unit.states[group] = AccessState.NON_OPTIMIZED
        unit.states[chosen] = AccessState.OPTIMIZED
        shows = self._shows(unit.spec.number)
        self._attention(ALUA_CHANGED, lambda other: other is not nexus and shows(other))

    def preempt(self, unit: int, who: str, key: int) -> None:
        """Another host takes the registrations with a key away, and those who lost one are told."""
        registrations = self.units[unit].registrations
        lost = registrations.preempt(who, key) if registrations is not None else []
        self._attention(REGISTRATIONS_PREEMPTED, lambda nexus: nexus.registrant in lost and self._shows(unit)(nexus))

    def _shows(self, unit: int) -> Callable[[Nexus], bool]:
        return lambda nexus: self.shown.get(nexus.number) is self.units[unit]

    def _attention(self, what: Sense, owed: Callable[[Nexus], bool]) -> None:
        for nexus in self._nexuses:
            if owed(nexus) and what not in nexus.attentions:
                nexus.attentions.append(what)

    # ---- commands

    def execute(self, nexus: Nexus, cdb: bytes) -> ScsiReply:
        """The answer to one of the commands that a host may send."""
        if cdb[0] not in _NO_ATTENTION and (owed := self._owed(nexus)) is not None:
            return owed
        handler = _COMMANDS.get(cdb[0])
        return check_condition(INVALID_OPCODE) if handler is None else handler(self, nexus, cdb)

    def _owed(self, nexus: Nexus) -> ScsiReply | None:
        """The unit attention that a command is answered by instead."""
        if not nexus.attentions or nexus.number not in self.shown:
            return None
        return check_condition(nexus.attentions.pop(0))

    def register(self, nexus: Nexus, parameters: bytes) -> ScsiReply:
        """PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY."""
        found = self._owed(nexus) or self._registrations(nexus)
        if isinstance(found, ScsiReply):
            return found
        key, aptpl = reservation.decode_parameters(parameters)
        found.register(nexus.registrant, key, aptpl=aptpl)
        return good()

    def _registrations(self, nexus: Nexus) -> Registrations | ScsiReply:
        unit = self.shown.get(nexus.number)
        if unit is None:
            return check_condition(NO_SUCH_UNIT)
        return check_condition(INVALID_OPCODE) if unit.registrations is None else unit.registrations

    def ready(self, nexus: Nexus, _cdb: bytes = b"") -> ScsiReply:
        """TEST UNIT READY; also what any command for the medium would be told."""
        if nexus.number not in self.shown:
            return check_condition(NO_SUCH_UNIT)
        refused = _NOT_READY.get(self.state(nexus)) if self.spec.tpgs else None
        return good() if refused is None else check_condition(refused)

    def inquire(self, nexus: Nexus, cdb: bytes) -> ScsiReply:
        """INQUIRY, standard data or a page."""
        who, wants_page = self.identity(nexus), bool(cdb[1] & 1)
        if who is None:
            return check_condition(NO_SUCH_UNIT) if wants_page else good(pages.no_unit_inquiry())
        if not wants_page:
            return good(pages.standard_inquiry(who)) if cdb[2] == 0 else check_condition(INVALID_FIELD)
        page = pages.vpd_pages(who).get(cdb[2])
        return check_condition(INVALID_FIELD) if page is None else good(page)

    def report_groups(self, nexus: Nexus, cdb: bytes) -> ScsiReply:
        """REPORT TARGET PORT GROUPS."""
        unit = self.shown.get(nexus.number)
        if unit is None:
            return check_condition(NO_SUCH_UNIT)
        if not self.spec.tpgs:
            return check_condition(INVALID_OPCODE)
        states = [(group, unit.states[group.id]) for group in self.spec.groups]
        return good(pages.target_port_groups(states, self._ports, extended=bool(cdb[1] & _EXTENDED_FORMAT)))

    def read(self, nexus: Nexus, cdb: bytes) -> ScsiReply:
        """READ(10), for who sends it himself."""
        reply, first, count = self.ready(nexus), int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[7:9], "big")
        return reply if reply.status else good(self.shown[nexus.number].read(first * _SECTOR, count * _SECTOR))

    def reserve_in(self, nexus: Nexus, cdb: bytes) -> ScsiReply:
        """PERSISTENT RESERVE IN, READ KEYS or READ RESERVATION."""
        found = self._registrations(nexus)
        if isinstance(found, ScsiReply):
            return found
        if cdb == reservation.read_keys():
            return good(reservation.encode_keys(tuple(found.keys.values()), generation=found.generation))
        if cdb == reservation.read_reservation():
            kind = WRITE_EXCLUSIVE_REGISTRANTS_ONLY
            return good(reservation.encode_holder(found.held_under, kind, generation=found.generation))
        return check_condition(INVALID_FIELD)

    def report_luns(self, _nexus: Nexus, _cdb: bytes) -> ScsiReply:
        """REPORT LUNS."""
        return good(pages.report_luns(self.shown))


_COMMANDS: Mapping[int, Callable[[LiveArray, Nexus, bytes], ScsiReply]] = {
    _TEST_UNIT_READY: LiveArray.ready,
    _INQUIRY: LiveArray.inquire,
    _READ: LiveArray.read,
    _RESERVE_IN: LiveArray.reserve_in,
    _MAINTENANCE_IN: LiveArray.report_groups,
    _REPORT_LUNS: LiveArray.report_luns,
}

_ACTIVE = (AccessState.OPTIMIZED, AccessState.NON_OPTIMIZED)


def _own_pages(array: Array, group: int) -> Mapping[int, bytes]:
    """The vendor's pages through a group: its own go before those of all."""
    everywhere = {page.number: page.data for page in array.pages if page.group is None}
    return everywhere | {page.number: page.data for page in array.pages if page.group == group}


def _states(array: Array, lun: Lun) -> dict[int, AccessState]:
    def state(group: Group) -> AccessState:
        if lun.owner is None or group.state not in _ACTIVE:
            return group.state
        return AccessState.OPTIMIZED if group.id == lun.owner else AccessState.NON_OPTIMIZED

    return {group.id: state(group) for group in array.groups}


def cut(reply: ScsiReply, length: int) -> ScsiReply:
    """A reply with no more data than there is room for."""
    return replace(reply, data=reply.data[:length])
