"""`mpathctl preview`: what a change of the configuration would do, and why, before it is done.

In: the parsed command line, which names a candidate for the main file. Out: text or JSON on standard output, an exit
status: 0 nothing changes, 2 something does. A candidate that a daemon would not start with is an error. It never
changes anything; the candidate's files are read here, at the edge.
"""

import argparse
import sys
from dataclasses import replace

from controller.cli import commands, terminal
from controller.cli.config_report import Checked, as_text
from controller.cli.preview_json import preview_to_json
from controller.cli.preview_text import preview_text
from controller.reconcile.plan import Memory
from controller.reconcile.preview import Preview, Side, compare, under
from controller.runtime import cycle
from desired.config import ConfigRefused
from desired.derive import config_in
from observers import accounts, config_files
from observers.errors import InputError
from observers.host import ReadHost
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import Snapshot, TextFile


def preview(options: argparse.Namespace) -> int:
    """`mpathctl preview`."""
    snapshot = commands.snapshot_of(options)
    candidate = _with_candidate(options, snapshot, RealHost())
    if options.snapshot is None:
        users = accounts.observe(Reader(commands.host_of(options), "host"), candidate.config_files)
        candidate = replace(candidate, accounts=users)
    made = of_candidate(snapshot, candidate)
    _tell(snapshot)
    sys.stdout.write(preview_to_json(made) if options.json else preview_text(made))
    return terminal.PENDING if made.changes else terminal.DONE


def of_candidate(snapshot: Snapshot, candidate: Snapshot) -> Preview:
    """The preview of one configuration in the place of another. `ConfigRefused` when the candidate can't be used."""
    try:
        after = _side(candidate)
    except ConfigRefused as refused:
        _complain(refused, candidate.config_files)
        raise
    try:
        before = _side(snapshot)
    except ConfigRefused as refused:
        _complain(refused, snapshot.config_files)
        before = None
    return compare(snapshot, before, after)


def _side(snapshot: Snapshot) -> Side:
    config = config_in(snapshot)
    decision = cycle.decide(snapshot, Memory(), 0.0, config=config)
    return Side(
        file=snapshot.main_config,
        config=config,
        desired=decision.desired,
        plan=decision.plan,
        findings=decision.findings,
    )


def _with_candidate(options: argparse.Namespace, snapshot: Snapshot, files: ReadHost) -> Snapshot:
    """The snapshot with the files that the options name. They are this machine's, whatever host the snapshot is of."""
    texts, gaps = config_files.configuration(files, options.candidate, options.drop_ins)
    if gaps:
        raise InputError("; ".join(f"{gap.subject}: {gap.what}: {gap.reason}" for gap in gaps))
    main = next((file for file in texts if file.path == options.candidate), None)
    if main is None:
        raise InputError(f"{options.candidate}: there is no such file")
    return under(snapshot, main, drop_ins=_drop_ins(options.drop_ins, texts, files))


def _drop_ins(directory: str | None, texts: tuple[TextFile, ...], files: ReadHost) -> tuple[TextFile, ...] | None:
    """The files of the directory; None: none was named. One that is named and is not there is a slip of the pen."""
    if directory is None:
        return None
    try:
        files.list_directory(directory)
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror}", hint="--config-dir names a directory of drop-ins") from error
    return texts[1:]


def _tell(snapshot: Snapshot) -> None:
    """What a person should know of the host besides what the change would do."""
    for gap in snapshot.gaps:
        sys.stderr.write(f"mpathctl: {gap.subject}: {gap.what}: {gap.reason}\n")
    daemon = snapshot.host.daemon
    if daemon is not None:
        sys.stderr.write(f"mpathctl: {daemon.name} runs (pid {daemon.pid}) and acts on these maps too\n")


def _complain(refused: ConfigRefused, files: tuple[TextFile, ...]) -> None:
    """All that is wrong with a configuration that can't be used."""
    sys.stderr.write(as_text(Checked(files=files, messages=refused.messages, refused=True)))
