"""The checker `none`: the path is what sysfs says of it, and nothing is sent. The built-in choice for NVMe devices.

In: a path that sysfs calls up. Out: an `Answer` that says the same. It must never ask the device anything. multipathd
hands it "unchecked" to give back, and so can't reinstate a path once it failed; here it gives back what sysfs says.
"""

from observers.asking import Dialogue
from observers.checkers.judging import Answer, Task
from observers.snapshot import PathState

NAME = "none"

_UP = Answer(PathState.UP, "")


def check(_task: Task) -> Dialogue[Answer]:
    """Up: it is asked only of paths that are up in sysfs."""
    yield from ()
    return _UP
