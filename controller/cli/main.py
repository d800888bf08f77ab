"""`mpathctl`: the command line. It parses arguments, calls the cycle, and prints; it decides nothing.

Exit statuses: 0 done or nothing to do, 1 error (or something was refused), 2 changes are pending (`--dry-run`), or
something would be otherwise (`preview`, `replay`).
"""

import argparse
import sys
from collections.abc import Sequence

from controller import __version__
from controller.cli import commands, terminal
from controller.cli.client_commands import add_actions, add_shown
from controller.cli.config_commands import add_check_config, add_show_config
from controller.cli.daemon_commands import add_daemon_commands
from controller.cli.demo import demo
from controller.cli.explain_command import explain
from controller.cli.md_command import add_show_md
from controller.cli.preview_command import preview
from controller.cli.replay_command import add_replay
from controller.cli.run_command import add_run
from controller.runtime.cycle import Files

EPILOG = """exit status:
  0  done, or nothing to do
  1  error, or the kernel refused a step
  2  with --dry-run: changes are pending; with preview: something would change;
     with replay: something is decided otherwise; or the command line is wrong
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="mpathctl",
        description="Declarative control of device-mapper multipath: what is, what should be, and the steps between.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mpathctl {__version__}")
    parser.add_argument(
        "--sandbox", metavar="SCENARIO", help="run on an in-memory kernel: a shipped scenario's name, or a file"
    )
    files = Files()
    parser.add_argument("--config", metavar="FILE", default=files.config, help="default: %(default)s")
    parser.add_argument("--config-dir", metavar="DIR", default=files.config_dir, help="default: %(default)s")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_reconcile(subparsers)
    _add_snapshot(subparsers)
    _add_show(subparsers)
    _add_preview(subparsers)
    _add_explain(subparsers)
    add_run(subparsers.add_parser("run", help="watch over the maps: the daemon, in the foreground"))
    add_check_config(
        subparsers.add_parser("check-config", help="tell everything that is wrong with a configuration file")
    )
    add_actions(subparsers)
    add_daemon_commands(subparsers)
    replay = "decide again what a daemon's flight recorder has, and compare"
    add_replay(
        subparsers.add_parser(
            "replay", help=replay, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
    )
    demo_parser = subparsers.add_parser(
        "demo", help="show the main job on the sandbox; on this host's own disks a dry run, never more"
    )
    demo_parser.set_defaults(run=lambda _: demo(terminal.style_of(sys.stdout)))
    return parser


Subparsers = argparse._SubParsersAction  # noqa: SLF001 -- argparse has no public name for it


def _add_reconcile(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "reconcile",
        help="make the maps that the configuration wants",
        description="Observe, derive, plan, apply, and verify: disks with the same WWID become one multipath map.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", "-n", action="store_true", help="print the plan, change nothing")
    parser.add_argument("--snapshot", metavar="FILE", help="with --dry-run: plan for the host of this snapshot")
    parser.add_argument("--json", action="store_true", help="with --dry-run: print the plan as JSON")
    parser.add_argument("--topology", action="store_true", help="draw the topology before and after")
    parser.add_argument(
        "--beside-daemon", action="store_true", help="act although a daemon runs, which acts on the same maps"
    )
    parser.add_argument(
        "--after", metavar="SECONDS", type=_seconds, help="with --sandbox: let this much virtual time pass first"
    )
    parser.set_defaults(run=commands.reconcile)


def _add_snapshot(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "snapshot",
        help="write what is observed of this host as JSON",
        description="Write everything that a plan is made from as JSON, to attach to a report or to plan elsewhere.",
    )
    parser.add_argument("--output", "-o", metavar="FILE", help="where to write it (default: standard output)")
    parser.set_defaults(run=commands.snapshot, after=None)


def _add_show(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("show", aliases=["list"], help="show the state or the configuration of this host")
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    topology = kinds.add_parser("topology", help="draw the maps, their groups and paths, and the other disks")
    topology.add_argument("--snapshot", metavar="FILE", help="of the host of this snapshot")
    topology.add_argument(
        "--after", metavar="SECONDS", type=_seconds, help="with --sandbox: let this much virtual time pass first"
    )
    topology.add_argument("--json", action="store_true", help="print the maps as JSON, as `multipathd show maps json`")
    topology.add_argument("--age", action="store_true", help="say also how old that is, on standard error")
    topology.set_defaults(run=commands.show_topology)
    add_show_md(kinds.add_parser("md", help="list the md multipath arrays and their members"), seconds=_seconds)
    add_show_config(kinds.add_parser("config", help="print the merged configuration, as `multipath -t` does"))
    add_shown(kinds)


def _add_preview(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "preview",
        help="what a change of the configuration would do, and why, before it is done",
        description="Derive and plan with CANDIDATE in the place of the main file, and tell what differs from now. "
        "Exit status: 0 nothing changes, 2 something does, 1 error.",
    )
    parser.add_argument("candidate", metavar="CANDIDATE", help="a text for the main configuration file")
    parser.add_argument(
        "--config-dir",
        dest="drop_ins",
        metavar="DIR",
        help="the candidate's drop-ins (default: those that the host has)",
    )
    parser.add_argument("--snapshot", metavar="FILE", help="for the host of this snapshot")
    parser.add_argument("--json", action="store_true", help="print the preview as JSON")
    parser.add_argument(
        "--after", metavar="SECONDS", type=_seconds, help="with --sandbox: let this much virtual time pass first"
    )
    parser.set_defaults(run=preview)


def _add_explain(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "explain",
        help="why a value, or the verdict on a device, is as it is",
        description="Say of a path or map each property with its value, where it comes from, and the settings that "
        "lost; of a device whether it may be a path, by which rule, and whether that can still change.",
    )
    parser.add_argument("what", nargs="?", choices=["path", "map"], default="path")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a device or map (default: all, a line or two each)")
    parser.add_argument("property", nargs="?", metavar="PROPERTY", help="one property only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--snapshot", metavar="FILE", help="of the host of this snapshot")
    parser.add_argument(
        "--after", metavar="SECONDS", type=_seconds, help="with --sandbox: let this much virtual time pass first"
    )
    parser.set_defaults(run=explain)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 up")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """The program: the exit status."""
    options = build_parser().parse_args(arguments)
    return terminal.ended(lambda: options.run(options))
