"""The daemon as `mpathctl run` starts it.

In: the options of that command. Out: an exit status. It loads the whole daemon at its top, so it is itself loaded only
to start one.
"""

import argparse

from controller.runtime import cycle
from controller.runtime.daemon import DaemonOptions, main


def run(options: argparse.Namespace) -> int:
    """Run until a signal or a client ends it."""
    return main(
        DaemonOptions(
            name="mpathctl",
            files=cycle.Files(config=options.config, config_dir=options.config_dir),
            verbosity=options.verbosity,
            stamped=True,
            resident=not options.no_lock,
            apply_changes=options.apply_config_changes,
            textfile=options.textfile,
        )
    )
