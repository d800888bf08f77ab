"""Everything that is known of a host: the observers run in order, and their parts become a `Snapshot`.

In: a `ReadHost`, which can't change anything, and where the files are. Out: a `Snapshot`, in two steps: `survey` brings
all but the paths, `complete` those, each of them asked what `probing` says, which can be made of what `survey` brought.
`collect` does both for who has no configuration. It never raises for what the host answers: each failure is a `Gap`.
"""

from dataclasses import replace

from observers import (
    accounts,
    asking,
    config_files,
    daemon,
    devicemapper,
    examination,
    mdstat,
    nvme,
    runtime_files,
    sysfs,
    system,
    tunables,
)
from observers.checkers import Task, sysfs_health
from observers.config_files import DROP_IN_DIRECTORY, MAIN_FILE, STATE_DIRECTORY, Places
from observers.host import ReadHost
from observers.port_groups import catch_up
from observers.probe import Probing, by_bus
from observers.reading import Reader
from observers.snapshot import DeviceName, Gap, HostFacts, Path, Snapshot, dev_key

_SETTLING = 3
"""How often a disk is observed when another device takes its name meanwhile."""


def collect(
    host: ReadHost,
    *,
    config_path: str = MAIN_FILE,
    config_dir: str = DROP_IN_DIRECTORY,
    state_dir: str = STATE_DIRECTORY,
) -> Snapshot:
    """The state of the host now, each device asked what its bus suggests."""
    return complete(host, survey(host, config_path=config_path, config_dir=config_dir, state_dir=state_dir), by_bus)


def survey(
    host: ReadHost,
    *,
    config_path: str = MAIN_FILE,
    config_dir: str = DROP_IN_DIRECTORY,
    state_dir: str = STATE_DIRECTORY,
) -> Snapshot:
    """The state of the host but for the paths. `config_dir`: of drop-ins; `state_dir`: of `bindings` and `wwids`."""
    taken_at = host.wall_time()
    kernel = devicemapper.observe(host)
    reader = Reader(host, "host")
    texts = config_files.observe(host, Places(config_path, config_dir, state_dir))
    md = mdstat.observe(host)
    facts = replace(host_facts(reader, kernel), md_personalities=md.personalities)
    return Snapshot(
        taken_at=taken_at,
        host=facts,
        main_config=config_path,
        config_files=texts.configuration,
        bindings=texts.bindings,
        wwids=texts.wwids,
        prkeys=texts.prkeys,
        maps=kernel.maps,
        other_devices=kernel.other_devices,
        failed_wwids=runtime_files.failed_wwids(reader),
        accounts=accounts.observe(reader, texts.configuration),
        foreign_maps=nvme.observe(reader),
        md_arrays=md.arrays,
        gaps=(*reader.gaps, *texts.gaps, *kernel.gaps, *md.gaps),
    )


def complete(host: ReadHost, surveyed: Snapshot, probing: Probing) -> Snapshot:
    """The snapshot with all paths, each asked what `probing` says."""
    reader = Reader(host, "host")
    disks = [observe_path(host, name, probing) for name in sysfs.disk_names(reader)]
    paths = catch_up(host, (path for path, _ in disks if path is not None))
    return replace(
        surveyed,
        paths=tuple(sorted(paths, key=lambda path: dev_key(path.dev))),
        gaps=(*surveyed.gaps, *reader.gaps, *(gap for _, gaps in disks for gap in gaps)),
    )


def host_facts(reader: Reader, kernel: devicemapper.Observed, *, socket: str | None = None) -> HostFacts:
    """The kernel and the running system. `socket`: of the daemon, where it is not the usual one."""
    return HostFacts(
        kernel_release=system.kernel_release(reader),
        dm_version=kernel.version,
        multipath_target=kernel.multipath_target,
        native_nvme_multipath=system.native_nvme_multipath(reader),
        udev_running=system.udev_running(reader),
        daemon=daemon.running(reader),
        daemon_reachable=daemon.reachable(reader, socket=socket),
    )


def unasked(_path: Path) -> None:
    """Of a device: what sysfs and udev know, without a command to it."""


def observe_path(host: ReadHost, name: DeviceName, probing: Probing = by_bus) -> tuple[Path | None, tuple[Gap, ...]]:
    """One block device with its health: None for one that can't be a path, or that is gone (then with a gap).

    It shares nothing with other calls, so that many can run at once.
    """
    for _ in range(_SETTLING):
        reader = Reader(host, name)
        disk = sysfs.find(reader, name)
        if disk is None:
            return None, tuple(reader.gaps)
        before = sysfs.incarnation(reader, disk)
        path = _observed(reader, disk, probing)
        if path is None:
            return None, tuple(reader.gaps)
        if before is not None and sysfs.incarnation(reader, disk) == before:
            return path, tuple(reader.gaps)
    return None, (Gap(name, "device", "it vanished, or another took its name, while it was read"),)


def _observed(reader: Reader, disk: sysfs.Disk, probing: Probing) -> Path | None:
    path = sysfs.observe(reader, disk)
    if path is None:
        return None
    properties = reader.attempt("udev properties", lambda: reader.host.udev_properties(disk.name))
    path = replace(path, udev=properties or {}, tunables=tunables.observe(reader, path))
    return _asked(reader, path, probing)


def _asked(reader: Reader, path: Path, probing: Probing) -> Path:
    """A path with what its device said. One that is not up in sysfs is sent nothing."""
    probe, host = probing(path), reader.host
    if probe is None:
        return path
    known = sysfs_health(host, path)
    if known is not None:
        return replace(path, health=known)
    told = asking.ask(host, path.name, examination.introduce(path, probe))
    reader.gaps += told.gaps
    probe = probing(told.path) or probe
    task = Task(timeout=probe.checker_timeout, clock=host.monotonic)
    examined = asking.ask(host, path.name, examination.examine(told.path, probe, task))
    reader.gaps += examined.gaps
    return examined.path
