"""The drop-in names `multipathd`, `multipath` and `multipathc`: they refuse, politely, until they do the whole job.

A program that answered some of multipathd's commands and not others would be worse than none: scripts would believe it.
"""

import sys

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


def multipath() -> int:
    """Refuse as the one-shot program."""
    return _refuse("multipath", "reconcile --dry-run")


def multipathc() -> int:
    """Refuse as the interactive client."""
    return _refuse("multipathc", "show topology")
