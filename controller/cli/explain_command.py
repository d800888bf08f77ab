"""`mpathctl explain`: why every value, and every verdict on a device, is as it is.

In: the parsed command line: `what` (path or map), `name` (None: all), `property` (None: all). Out: text or JSON on
standard output, and on standard error what could not be read or made sense of. It never changes anything, and what it
shows is what a reconcile of the same instant would go by.
"""

import argparse
import re
import sys

from controller.cli import commands, explain_json, explain_text, terminal
from controller.reconcile.plan import MapPlan, Memory
from controller.runtime import cycle
from desired.derive import config_in
from desired.evidence import Evidence, find_device, find_map, gather, subjects
from desired.explain_subjects import (
    explain_admissions,
    explain_map,
    explain_map_property,
    explain_path,
    explain_path_property,
)
from observers.snapshot import Snapshot, Wwid

PATH, MAP = "path", "map"


def explain(options: argparse.Namespace) -> int:
    """`mpathctl explain`."""
    decision = cycle.decide(commands.snapshot_of(options), Memory(), 0.0)
    evidence = _evidence(decision)
    if options.property is not None:
        text = _property(evidence, options)
    else:
        text = _path(evidence, options) if options.what == PATH else _map(evidence, decision, options)
    _tell(evidence, options)
    sys.stdout.write(text)
    return terminal.DONE


def _evidence(decision: cycle.Decision) -> Evidence:
    snapshot: Snapshot = decision.snapshot
    return gather(config_in(snapshot), snapshot, decision.desired, resident=snapshot.host.daemon is not None)


def _property(evidence: Evidence, options: argparse.Namespace) -> str:
    if options.what == PATH:
        name = str(find_device(evidence, options.name).path.name)
        found = explain_path_property(evidence, options.name, options.property)
    else:
        name = explain_text.map_name(find_map(evidence, options.name))
        found = explain_map_property(evidence, options.name, options.property)
    if options.json:
        return explain_json.document("property", explain_json.of_property(options.what, name, found))
    return explain_text.property_text(f"{options.what} {name}", found)


def _path(evidence: Evidence, options: argparse.Namespace) -> str:
    if options.name is None:
        every = explain_admissions(evidence)
        if options.json:
            return explain_json.document("paths", explain_json.of_admissions(every))
        return explain_text.admissions_text(every)
    found = explain_path(evidence, options.name)
    return explain_json.document(PATH, explain_json.of_path(found)) if options.json else explain_text.path_text(found)


def _map(evidence: Evidence, decision: cycle.Decision, options: argparse.Namespace) -> str:
    plans: dict[Wwid, MapPlan] = {each.wwid: each for each in decision.plan.maps}
    if options.name is None:
        every = [(each, plans.get(each.wwid)) for each in subjects(evidence)]
        if options.json:
            return explain_json.document("maps", explain_json.of_maps(every))
        return explain_text.maps_text(every)
    found = explain_map(evidence, options.name)
    plan = plans.get(found.subject.wwid)
    if options.json:
        return explain_json.document(MAP, explain_json.of_map(found, plan))
    return explain_text.map_text(found, plan)


def _tell(evidence: Evidence, options: argparse.Namespace) -> None:
    """What could not be read, and, when one keyword is asked for, everything that was said about it in the files.

    What could not be read of other devices than the one that is asked for is left out."""
    for gap in evidence.snapshot.gaps:
        if options.name is None or gap.subject not in evidence.devices:
            sys.stderr.write(explain_text.visible(f"mpathctl: {gap.subject}: {gap.what}: {gap.reason}\n"))
    keyword = options.property
    if keyword is None:
        return
    for message in evidence.desired.messages:
        if re.search(rf"\b{re.escape(keyword)}\b", f"{message.text} {message.hint}"):
            where = ":".join([message.file, *(str(number) for number in (message.line, message.column) if number)])
            hint = f" ({message.hint})" if message.hint else ""
            sys.stderr.write(explain_text.visible(f"mpathctl: {where}: {message.severity}: {message.text}{hint}\n"))
