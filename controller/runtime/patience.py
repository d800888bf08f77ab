"""How long the daemon as a whole waits for others, by the configuration in force.

In: the decider, which has it. Out: seconds.
"""

from controller.runtime.deciding import Decider
from desired import options as keywords
from desired.precedence import global_settings


def udev_patience(decider: Decider) -> float:
    """Seconds for which a disk that udev does not know is no path: as long as multipathd asks udev again."""
    everywhere = global_settings(decider.config)
    tries, delay = (everywhere.require(key).value for key in (keywords.RETRIGGER_TRIES, keywords.RETRIGGER_DELAY))
    return float(tries * delay)


def uxsock_timeout(decider: Decider) -> float:
    """Seconds for a request of a client."""
    return global_settings(decider.config).require(keywords.UXSOCK_TIMEOUT).value / 1000
