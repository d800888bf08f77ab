"""What each command of `mpathctl` does: get a host or a snapshot, call the cycle, print.

Results go to standard output, everything else (messages about the configuration, gaps, errors) to standard error.
"""

import argparse
import errno
import sys
import time

from actuators.steps import Changed, Lost, Outcome, Refused, Step, Unchanged
from controller.cli import md_report, terminal
from controller.cli.multipath_view import state_of
from controller.cli.plan_json import plan_to_json
from controller.protocol import json_reply, picture
from controller.protocol.rows import map_rows, path_rows
from controller.reconcile import explain
from controller.reconcile.md import MdMemory
from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.runtime.md_cycle import decide_md
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from desired.derive import config_in
from observers import daemon, udev
from observers.errors import InputError, MpathError
from observers.host import Host
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import Snapshot
from observers.snapshot_json import from_json, to_json

_STATE_FILES = ("/bindings", "/wwids", "/prkeys")
"""Without them planning is still possible: names and memberships then stay as they are."""


def host_of(options: argparse.Namespace) -> Host:
    """The host that the options name: this one, or a sandbox."""
    if options.sandbox is None:
        if options.after is not None:
            raise InputError("--after passes virtual time, which only a sandbox has", hint="add --sandbox SCENARIO")
        return RealHost(udev=udev.properties)
    host = SandboxHost(load_scenario(options.sandbox))
    if options.after:
        host.advance(options.after)
    return host


def _files(options: argparse.Namespace) -> cycle.Files:
    return cycle.Files(config=options.config, config_dir=options.config_dir)


def snapshot_of(options: argparse.Namespace) -> Snapshot:
    """The snapshot that the options name: from a file, or of the host."""
    if options.snapshot is None:
        host = host_of(options)
        return _usable(cycle.observe(host, _files(options), everything=True), host)
    if options.sandbox is not None:
        raise InputError("--snapshot and --sandbox name two different hosts", hint="give one of them")
    if _files(options) != cycle.Files():
        raise InputError(
            "a snapshot holds its host's configuration, so --config and --config-dir have no effect on it",
            hint="to plan for it with another configuration: mpathctl preview CANDIDATE.conf --snapshot FILE",
        )
    try:
        with open(options.snapshot, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise InputError(f"{options.snapshot}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{options.snapshot}: not a snapshot: byte {error.start} is not UTF-8") from error
    return from_json(text, origin=options.snapshot)


def _usable(snapshot: Snapshot, host: Host) -> Snapshot:
    """The snapshot, if device-mapper and the configuration could be read: without them, every plan would be a guess."""
    if snapshot.host.dm_version is not None:
        return _configured(snapshot)
    if host.effective_user() != 0:
        raise MpathError(
            "no permission to read device-mapper and the disks",
            hint="run it as root (sudo mpathctl ...), or plan from a file: "
            "mpathctl reconcile --dry-run --snapshot FILE",
        )
    why = next((gap.reason for gap in snapshot.gaps if gap.subject == "device-mapper"), "no answer")
    raise MpathError(
        f"device-mapper cannot be used: {why}", hint="in a container, /dev/mapper/control must be passed in"
    )


def _configured(snapshot: Snapshot) -> Snapshot:
    """The snapshot, if its configuration is whole. No main file is a configuration too, unless it was asked for."""
    for gap in snapshot.gaps:
        if gap.subject.startswith("/") and not gap.subject.endswith(_STATE_FILES):
            raise InputError(f"{gap.subject}: {gap.what}: {gap.reason}")
    there = {file.path for file in snapshot.config_files}
    if snapshot.main_config != cycle.Files().config and snapshot.main_config not in there:
        raise InputError(f"{snapshot.main_config}: no such file", hint="it was named by --config")
    return snapshot


def _tell(decision: cycle.Decision) -> None:
    """What a person should know of a decision besides its plan: messages, gaps, findings, another daemon."""
    for message in decision.desired.messages:
        place = ":".join([message.file, *(str(n) for n in (message.line, message.column) if n)])
        _note(f"{place}: {message.severity}: {message.text}", message.hint)
    for gap in decision.snapshot.gaps:
        _note(f"{gap.subject}: {gap.what}: {gap.reason}")
    for finding in decision.findings:
        _note(f"{finding.level}: {finding.text} [{finding.rule}]")
    found = decision.snapshot.host.daemon
    if found is not None:
        _note(f"{found.name} runs (pid {found.pid}) and acts on these maps too")


def _note(text: str, hint: str = "") -> None:
    sys.stderr.write(f"mpathctl: {text}" + (f" ({hint})" if hint else "") + "\n")


def reconcile(options: argparse.Namespace) -> int:
    """`mpathctl reconcile`."""
    if options.dry_run:
        return _dry_run(options)
    for name, given in (("--snapshot", options.snapshot), ("--json", options.json)):
        if given:
            raise InputError(f"{name} needs --dry-run", hint="a snapshot can be planned for, but not changed")
    host = host_of(options)
    if host.effective_user() != 0:
        raise MpathError(
            "no permission: reconcile changes device-mapper, which needs root",
            hint="run `sudo mpathctl reconcile`, or look at a snapshot: mpathctl reconcile --dry-run --snapshot FILE",
        )
    if not options.beside_daemon:
        _alone(host)
    return run_on(host, _files(options), with_topology=options.topology)


def _alone(host: Host) -> None:
    """A daemon has the configuration that was in force when it was last told to read it, and would undo what follows
    from another one; so would we undo what it was ordered by command. Each would go on for as long as it runs."""
    found = daemon.running(Reader(host, "host"))
    if found is not None:
        raise MpathError(
            f"{found.name} runs (pid {found.pid}) and watches over these maps",
            hint="have it apply the configuration: mpathctl reconfigure. What would be done here: mpathctl reconcile "
            "--dry-run. To act all the same: --beside-daemon",
        )


def _dry_run(options: argparse.Namespace) -> int:
    host = host_of(options) if options.snapshot is None else None
    seen = snapshot_of(options) if host is None else _usable(cycle.observe(host, _files(options)), host)
    decision, md = cycle.decide(seen, Memory(), 0.0), decide_md(host, seen, MdMemory(), 0.0)
    pending = decision.pending or md.pending
    _tell(decision)
    if options.json:
        sys.stdout.write(plan_to_json(decision.plan, md=md.plan))
        return terminal.PENDING if pending else terminal.DONE
    if options.topology:
        sys.stdout.write(picture.draw(decision.snapshot, decision.desired, terminal.style_of(sys.stdout)) + "\n")
    sys.stdout.write(explain.plan_text(decision.plan))
    md_report.show(md)
    return terminal.PENDING if pending else terminal.DONE


def run_on(host: Host, files: cycle.Files, *, with_topology: bool) -> int:
    """Reconcile a host and print what is done while it is done; the exit status."""
    style = terminal.style_of(sys.stdout)

    def show_decision(decision: cycle.Decision) -> None:
        _usable(decision.snapshot, host)
        _tell(decision)
        if with_topology:
            sys.stdout.write("Before:\n\n" + picture.draw(decision.snapshot, decision.desired, style) + "\n")
        sys.stdout.write(explain.plan_text(decision.plan))

    try:
        result = cycle.reconcile(host, files, on_decision=show_decision, on_outcome=_show_outcome)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise MpathError(f"{cycle.LOCK_FILE}: {error.strerror}") from error
        raise MpathError(
            "another mpathctl reconcile is at work", hint=f"it holds {cycle.LOCK_FILE}; run this again when it is done"
        ) from error
    if with_topology:
        sys.stdout.write("\nAfter:\n\n" + picture.draw(result.last.snapshot, result.last.desired, style))
    status = _verdict(result)
    return status if md_report.run_md(host, result.last.snapshot) else terminal.FAILED


def _show_outcome(step: Step, outcome: Outcome) -> None:
    match outcome:
        case Unchanged():
            sys.stdout.write(f"was so: {explain.step_text(step)}\n")
        case Changed(note):
            sys.stdout.write(f"done: {explain.step_text(step)}" + (f" ({note})" if note else "") + "\n")
        case Refused(_, message, hint):
            terminal.complain(f"refused: {explain.step_text(step)}: {message}", hint=hint)
        case Lost(message):
            terminal.complain(f"not done, the host has changed: {explain.step_text(step)}: {message}")


def _verdict(result: cycle.Result) -> int:
    if not result.outcomes and result.converged:
        return terminal.DONE
    if result.converged:
        sys.stdout.write(f"verified: {cycle.changed(result.outcomes)} steps done, nothing is left to do\n")
        return terminal.DONE
    sys.stdout.write("not all was done; what is left:\n" + explain.plan_text(result.last.plan))
    return terminal.FAILED


def snapshot(options: argparse.Namespace) -> int:
    """`mpathctl snapshot`."""
    text = to_json(cycle.observe(host_of(options), _files(options), everything=True))
    if options.output is None:
        sys.stdout.write(text)
        return terminal.DONE
    try:
        with open(options.output, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise InputError(f"{options.output}: {error.strerror}") from error
    return terminal.DONE


def show_topology(options: argparse.Namespace) -> int:
    """`mpathctl show topology`."""
    if options.age and options.snapshot is not None:
        raise InputError("a snapshot does not say when it was made", hint="leave out --age")
    began = time.monotonic()
    decision = cycle.decide(snapshot_of(options), Memory(), 0.0)
    _tell(decision)
    if options.json:
        sys.stdout.write(_maps_as_json(decision))
    else:
        sys.stdout.write(picture.draw(decision.snapshot, decision.desired, terminal.style_of(sys.stdout)))
    if options.age:
        _note(f"as of {time.monotonic() - began:.3f} s ago, when this command began to look")
    return terminal.DONE


def _maps_as_json(decision: cycle.Decision) -> str:
    state = state_of(decision.snapshot, decision.desired, config_in(decision.snapshot), {})
    return "".join(json_reply.maps_json(map_rows(state, path_rows(state))))
