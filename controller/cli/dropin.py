"""The drop-in names `multipathd`, `multipath` and `multipathc`: what they don't do yet they refuse, politely.

A command either does all that its namesake does or refuses: scripts would believe half an answer.
"""

import sys

from controller.cli import udev_question
from controller.cli.main import mpathctl

REFUSAL = (
    "{name}: this name of mpathctl does not do {name}'s job yet, and changed nothing.\n"
    "{name}: use `mpathctl {instead}` (see mpathctl(8)), or multipath-tools' own {name}.\n"
)


def _refuse(name: str, instead: str) -> int:
    sys.stderr.write(REFUSAL.format(name=name, instead=instead))
    return 1


def multipathd() -> int:
    """Refuse as the daemon."""
    return _refuse("multipathd", "reconcile")


CONFIGURATION: dict[tuple[str, ...], list[str]] = {("-t",): ["show", "config"], ("-T",): ["show", "config", "local"]}
"""What of `multipath` is whole: its prints of the configuration, by their arguments."""


def multipath() -> int:
    """`multipath -t`, `-T`, `-u` and `-c`; refuse as the rest of the one-shot program."""
    command = CONFIGURATION.get(tuple(sys.argv[1:]))
    if command:
        return mpathctl(command)
    status = udev_question.command(sys.argv[1:])
    return _refuse("multipath", "reconcile --dry-run") if status is None else status


def multipathc() -> int:
    """Refuse as the interactive client."""
    return _refuse("multipathc", "show topology")
