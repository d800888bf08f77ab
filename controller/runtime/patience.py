"""How long the daemon as a whole waits for others, by the configuration in force.

In: the decider, which has it. Out: seconds, for who waits.
"""

from controller.runtime.deciding import Decider
from controller.runtime.rules_awaited import RulesAwaited
from desired import options as keywords
from desired.precedence import global_settings


def wait_for_rules(awaited: RulesAwaited, decider: Decider) -> None:
    """A disk that udev does not know is no path for as long as multipathd asks udev again."""
    everywhere = global_settings(decider.config)
    awaited.tries = everywhere.require(keywords.RETRIGGER_TRIES).value
    awaited.delay = float(everywhere.require(keywords.RETRIGGER_DELAY).value)


def uxsock_timeout(decider: Decider) -> float:
    """Seconds for a request of a client."""
    return global_settings(decider.config).require(keywords.UXSOCK_TIMEOUT).value / 1000
