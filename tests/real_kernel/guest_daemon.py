"""Runs in the guest: `multipathd`, with everything imported that its daemon needs, for the harness to fork from.

In: `sys.argv`. Out: the daemon's exit status.
"""

import sys

from controller.cli import daemon_entry


def multipathd() -> int:
    """The daemon as the installed command starts it."""
    return daemon_entry.main(sys.argv[1:])
