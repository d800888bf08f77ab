"""`multipath -t` and `-T`: the merged configuration, as `mpathctl show config` prints it.

In: a `Subject`. Out: text on standard output, messages on standard error, an exit status.
"""

from controller.cli.main import main as mpathctl
from controller.cli.multipath_arguments import Job
from controller.cli.multipath_program import Subject


def run(subject: Subject) -> int:
    """Print it: all, or what concerns this host."""
    local = subject.invocation.job is Job.PRINT_CONFIG_LOCAL
    return mpathctl(["show", "config", *(["local"] if local else [])])
