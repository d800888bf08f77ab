"""States of target port groups that the kernel is just about to learn.

In: the paths, with what sysfs said of their access state (`Alua.access_state`) and what the device itself said a moment
later (`Alua.reported_state`). Out: the paths with sysfs's word as it is when the kernel has caught up. Never sends a
command.

An array tells of a change of its port groups by a unit attention on the next command, which is then one of ours: it
makes scsi_dh_alua read the states anew, in the background, after we have read sysfs. Deciding on the old states would
prefer the wrong group until somebody looks again.
"""

from collections.abc import Iterable
from dataclasses import replace

from observers.host import ReadHost
from observers.kernel.scsi import ACCESS_STATE_TEXT, AccessState
from observers.reading import NOT_PROVIDED, Reader
from observers.snapshot import Path

_HANDLER = "alua"
_TRIES, _STEP = 10, 0.1
"""One second (of 0.1 each) at most, whatever the number of paths: the handler's work is queued at once. A device that
keeps contradicting the kernel, as scsi_debug does on Linux 6.12, is then taken as sysfs has it, as multipathd does."""


def catch_up(host: ReadHost, paths: Iterable[Path]) -> list[Path]:
    """The paths, those of which the kernel's word is out of date read again."""
    found = list(paths)
    for _ in range(_TRIES):
        stale = [at for at, path in enumerate(found) if _is_stale(path)]
        if not stale:
            break
        host.sleep(_STEP)
        for at in stale:
            found[at] = _again(host, found[at])
    return found


def _is_stale(path: Path) -> bool:
    alua = path.alua
    if alua.handler != _HANDLER or not alua.access_state or alua.reported_state in (None, AccessState.TRANSITIONING):
        return False
    text = ACCESS_STATE_TEXT.get(AccessState(alua.reported_state)) if alua.reported_state in _KNOWN else None
    return text is not None and (alua.access_state != text or alua.preferred != bool(alua.reported_preferred))


_KNOWN = frozenset(AccessState)


def _again(host: ReadHost, path: Path) -> Path:
    reader = Reader(host, path.name)
    state = reader.text(f"{path.sysfs}/device/access_state", "access_state", quiet=NOT_PROVIDED)
    preferred = reader.text(f"{path.sysfs}/device/preferred_path", "preferred_path", quiet=NOT_PROVIDED)
    if state is None:
        return path
    return replace(path, alua=replace(path.alua, access_state=state, preferred=preferred == "1"))
