"""The daemon as `mpathctl run` starts it.

In: the options of that command, which count before what the environment says. Out: an exit status. It loads the whole
daemon at its top, so it is itself loaded only to start one.
"""

import argparse
import os

from controller.cli.own_settings import from_environment
from controller.reconcile.md import INTERVAL
from controller.runtime import cycle
from controller.runtime.daemon import DaemonOptions, main


def run(options: argparse.Namespace) -> int:
    """Run until a signal or a client ends it."""
    own = from_environment(os.environ)
    return main(
        DaemonOptions(
            name="mpathctl",
            files=cycle.Files(config=options.config, config_dir=options.config_dir),
            verbosity=options.verbosity,
            stamped=True,
            resident=not options.no_lock,
            apply_changes=options.apply_config_changes or own.apply_changes,
            textfile=options.textfile or own.textfile,
            md_interval=options.md_interval or own.md_interval or INTERVAL,
        )
    )
