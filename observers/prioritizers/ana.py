"""The prioritizer `ana`: how good the way to an NVMe namespace is, by the state of its ANA group.

In: a path. Out: 50 optimized, 10 non-optimized, 1 inaccessible or changing, 0 lost for good. It sends Identify and Get
Log Page, and must never ask for more of the log than `_LONGEST_LOG`, whatever the controller says of its size.
"""

from observers.asking import Dialogue, NvmeAdmin, nvme
from observers.identity_nvme import identify
from observers.kernel import nvme_data
from observers.kernel.nvme_data import AnaGroup, AnaState, Cns
from observers.prioritizers.judging import Judgement, Unanswered
from observers.snapshot import Path

NAME = "ana"

_PRIORITIES = {
    AnaState.OPTIMIZED: 50,
    AnaState.NON_OPTIMIZED: 10,
    AnaState.INACCESSIBLE: 1,
    AnaState.CHANGE: 1,
    AnaState.PERSISTENT_LOSS: 0,
}

_LONGEST_LOG = 1 << 16
"""Bytes: 2,047 groups. A log with all namespaces in it may be longer; then only its groups are read."""


def ask(path: Path, _arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    controller = yield from identify(Cns.CONTROLLER, timeout=timeout)
    if not nvme_data.supports_ana(controller):
        raise Unanswered("the controller does not support ANA")
    known = nvme_data.ana_capabilities(controller)
    longest = nvme_data.ana_log_size(known.groups, known.namespaces)
    if not known.constant and longest <= _LONGEST_LOG:
        log = yield from _log(longest, groups_only=False, timeout=timeout)
        return _judged(log, group=0, namespace=path.address.lun if path.address else 0)
    namespace = yield from identify(Cns.NAMESPACE, timeout=timeout)
    length = min(nvme_data.ana_log_size(known.groups, 0), _LONGEST_LOG)
    log = yield from _log(length, groups_only=True, timeout=timeout)
    return _judged(log, group=nvme_data.ana_group(namespace), namespace=0)


def _log(length: int, *, groups_only: bool, timeout: float) -> Dialogue[tuple[AnaGroup, ...]]:
    data = yield from nvme(
        NvmeAdmin(
            opcode=nvme_data.GET_LOG_PAGE,
            namespace=nvme_data.ALL_NAMESPACES,
            words=nvme_data.ana_log(length, groups_only=groups_only),
            reply_length=length,
            timeout=timeout,
        )
    )
    return nvme_data.parse_ana_log(data)


def _judged(groups: tuple[AnaGroup, ...], *, group: int, namespace: int) -> Judgement:
    """By the group's number, or by the namespace's; a number of 0 is nobody's."""
    for found in groups:
        if (group and found.id == group) or (namespace and namespace in found.namespaces):
            return _of_state(found.state)
    raise Unanswered("neither the namespace nor its group is in the ANA log")


def _of_state(state: int) -> Judgement:
    if state not in set(AnaState):
        raise Unanswered(f"the ANA log says state {state:#x}, which is none")
    known = AnaState(state)
    return Judgement(_PRIORITIES[known], f"ANA state {nvme_data.ANA_STATE_TEXT[known]}")
