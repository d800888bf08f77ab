"""What the kernel said to a step on a map, as an outcome.

In: a step's function. Out: the same, from which a kernel's refusal never leaves as an exception. It must never try
again.
"""

import errno
import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from actuators import dm_calls as dm
from actuators.steps import CreateMap, Lost, MapRef, MapStep, Outcome, Refused
from observers.dmtable import TableSyntax
from observers.errors import KernelRefused
from observers.host import Host
from observers.kernel.dm_ioctl import DmFormatError

S = TypeVar("S", bound=MapStep)
P = ParamSpec("P")


def answered(
    act: Callable[Concatenate[Host, S, P], Outcome],
) -> Callable[Concatenate[Host, S, P], Outcome]:
    """Turn what a step's function raises by fault of the kernel or of the step's values into an outcome.

    ENXIO is said of the map, or of a path in its table; a map that is being created is gone because we removed it.
    """

    @functools.wraps(act)
    def outcome(host: Host, step: S, /, *args: P.args, **kwargs: P.kwargs) -> Outcome:
        try:
            return act(host, step, *args, **kwargs)
        except KernelRefused as error:
            if error.errno == errno.ENXIO and not isinstance(step, CreateMap) and _is_gone(host, step.map):
                return gone(step.map)
            return Refused(error.errno, str(error), error.hint)
        except (DmFormatError, TableSyntax) as error:
            return Refused(errno.EINVAL, str(error), error.hint or "see `dmsetup table` and `dmsetup status`")

    return outcome


def gone(map_: MapRef) -> Lost:
    """The map does not exist."""
    return Lost(f"there is no device with UUID {map_.uuid} ({map_.name}) by now")


def _is_gone(host: Host, map_: MapRef) -> bool:
    try:
        return dm.device(host, map_) is None
    except KernelRefused:
        return False
