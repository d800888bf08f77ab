"""`mpathctl demo`: the main job on three of the shipped scenarios, with the topology before and after.

It runs on the in-memory kernel. Where the host itself has multipath disks it also plans for those, and never does more
than that: the real host is only ever handed to the observers.
"""

import sys

from controller.cli import commands, terminal
from controller.protocol import picture
from controller.reconcile import explain
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from observers.host import ReadHost
from observers.kernel.real_host import RealHost

SCENARIOS = {
    "small": "A small SAN, all well, and no maps yet.",
    "fabric-down": "Maps exist, and one of two fabrics has just gone.",
    "unmapped-lun": "Maps exist, and the array no longer shows one of the LUNs.",
}


def demo(style: picture.Style) -> int:
    """Show every scenario; the exit status (1 when one of them did not converge)."""
    failed = [name for name, story in SCENARIOS.items() if _show(name, story) != terminal.DONE]
    _own_disks(RealHost(), style)
    return terminal.FAILED if failed else terminal.DONE


def _title(text: str) -> None:
    sys.stdout.write(f"\n{text}\n{'=' * len(text)}\n\n")


def _show(name: str, story: str) -> int:
    _title(f"Scenario {name}: {story}")
    sys.stdout.write(f"$ mpathctl --sandbox {name} reconcile --dry-run\n\n")
    host = SandboxHost(load_scenario(name))
    decision = cycle.decide(cycle.observe(host, cycle.Files()), Memory(), host.monotonic())
    sys.stdout.write(explain.plan_text(decision.plan))
    sys.stdout.write(f"\n$ mpathctl --sandbox {name} reconcile --topology\n\n")
    status = commands.run_on(host, cycle.Files(), with_topology=True)
    again = cycle.decide(cycle.observe(host, cycle.Files()), Memory(), host.monotonic())
    sys.stdout.write(f"\nPlanned once more: {len(again.plan.steps)} steps.\n")
    return status


def _own_disks(host: ReadHost, style: picture.Style) -> None:
    snapshot = cycle.observe(host, cycle.Files())
    shared = len(snapshot.paths) > len({path.udev.get("ID_SERIAL", path.name) for path in snapshot.paths})
    if snapshot.host.dm_version is None or not (snapshot.maps or shared):
        sys.stdout.write("\nThis host has no multipath disks of its own to plan for.\n")
        return
    _title("This host: a dry run, nothing is changed.")
    decision = cycle.decide(snapshot, Memory(), host.monotonic())
    sys.stdout.write(picture.draw(snapshot, decision.desired, style) + "\n" + explain.plan_text(decision.plan))
