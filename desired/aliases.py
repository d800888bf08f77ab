"""Every name that a map could have, the strongest first: why it is called as it is.

In: the evidence of a derivation and a WWID. Out: contenders. Pure; names are given in `desired.naming`, never here.
"""

from desired import options
from desired.contenders import Contender, with_replaced
from desired.evidence import Evidence
from desired.model import DesiredMap, Origin, OriginKind
from desired.naming import Bindings
from desired.precedence import Layers
from observers.snapshot import Wwid


def alias_contenders(evidence: Evidence, wwid: Wwid, layers: Layers) -> tuple[Contender, ...]:
    """The configured alias, the name that the map has, its line in the bindings file, and the WWID."""
    live = evidence.known.maps.get(wwid)
    existing = () if live is None else (Contender(live.name, Origin(OriginKind.EXISTING_MAP)),)
    by_wwid = Contender(wwid, Origin(OriginKind.IMPLIED, why="WWID"))
    return (*_configured(evidence, wwid), *existing, *_bound(evidence, wwid, layers), by_wwid)


def _configured(evidence: Evidence, wwid: Wwid) -> tuple[Contender, ...]:
    entry = evidence.config.multipaths.get(wwid)
    if entry is None:
        return ()
    why = f"it is already that of {entry.alias_taken_by}" if entry.alias_taken_by else ""
    return tuple(
        Contender(str(each.value), Origin(each.origin.kind, each.origin.where, why))
        for each in with_replaced(entry.settings.get(options.ALIAS.key))
    )


def _bound(evidence: Evidence, wwid: Wwid, layers: Layers) -> tuple[Contender, ...]:
    """The line of the bindings file, also when it is not asked."""
    file = evidence.snapshot.bindings
    alias = Bindings.parse(file.text).wwids.get(wwid) if file is not None else None
    if file is None or alias is None:
        return ()
    asked = layers.require(options.USER_FRIENDLY_NAMES).value
    lines = enumerate(file.text.split("\n"), 1)
    number = next((number for number, line in lines if line.split()[:2] == [alias, wwid]), 0)
    where = f"{file.path}:{number}" if number else file.path
    return (Contender(alias, Origin(OriginKind.BINDINGS, where, "" if asked else "not asked")),)


def alias_note(evidence: Evidence, wanted: DesiredMap, own: Contender | None) -> str:
    """Where the name stands, or will stand, in the bindings file."""
    kind = wanted.alias.origin.kind
    if kind is OriginKind.BINDINGS and own is not None:
        return f"it stands at {own.origin.where}"
    if kind is OriginKind.BINDINGS:
        return "the smallest name that is free; a line for it is added to the bindings file"
    live = evidence.known.maps.get(wanted.wwid)
    if live is not None and live.name != wanted.alias.value:
        return f"the map is called {live.name} now"
    return ""
