"""Everything that is known of a host, in one call: the observers run in order, and their parts become a `Snapshot`.

In: a `ReadHost`, which can't change anything, and where the files are. Out: a `Snapshot`. It never raises for what the
host answers: each failure is a `Gap` in it.
"""

from dataclasses import replace

from observers import config_files, daemon, devicemapper, inquiry, runtime_files, sysfs, system
from observers.checkers import probe
from observers.config_files import DROP_IN_DIRECTORY, MAIN_FILE, STATE_DIRECTORY, Places
from observers.host import ReadHost
from observers.port_groups import catch_up
from observers.reading import Reader
from observers.snapshot import Bus, DeviceName, Gap, HostFacts, Path, PathState, Snapshot, dev_key

_SETTLING = 3
"""How often a disk is observed when another device takes its name meanwhile."""


def collect(
    host: ReadHost,
    *,
    config_path: str = MAIN_FILE,
    config_dir: str = DROP_IN_DIRECTORY,
    state_dir: str = STATE_DIRECTORY,
) -> Snapshot:
    """The state of the host now. `config_dir`: of the drop-ins; `state_dir`: of `bindings` and `wwids`."""
    taken_at = host.wall_time()
    kernel = devicemapper.observe(host)
    reader = Reader(host, "host")
    disks = [observe_path(host, name) for name in sysfs.disk_names(reader)]
    paths = catch_up(host, (path for path, _ in disks if path is not None))
    texts = config_files.observe(host, Places(config_path, config_dir, state_dir))
    facts = host_facts(reader, kernel)
    return Snapshot(
        taken_at=taken_at,
        host=facts,
        main_config=config_path,
        config_files=texts.configuration,
        bindings=texts.bindings,
        wwids=texts.wwids,
        paths=tuple(sorted(paths, key=lambda path: dev_key(path.dev))),
        maps=kernel.maps,
        other_devices=kernel.other_devices,
        failed_wwids=runtime_files.failed_wwids(reader),
        gaps=(*reader.gaps, *texts.gaps, *kernel.gaps, *(gap for _, gaps in disks for gap in gaps)),
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


def observe_path(host: ReadHost, name: DeviceName, *, ask: bool = True) -> tuple[Path | None, tuple[Gap, ...]]:
    """One block device with its health: None for one that can't be a path, or that is gone (then with a gap).

    It shares nothing with other calls, so that many can run at once. `ask`: False for what sysfs and udev know, without
    a command to the device.
    """
    for _ in range(_SETTLING):
        reader = Reader(host, name)
        disk = sysfs.find(reader, name)
        if disk is None:
            return None, tuple(reader.gaps)
        before = sysfs.incarnation(reader, disk)
        path = _observed(reader, disk, ask=ask)
        if path is None:
            return None, tuple(reader.gaps)
        if before is not None and sysfs.incarnation(reader, disk) == before:
            return path, tuple(reader.gaps)
    return None, (Gap(name, "device", "it vanished, or another took its name, while it was read"),)


def _observed(reader: Reader, disk: sysfs.Disk, *, ask: bool) -> Path | None:
    path = sysfs.observe(reader, disk)
    if path is None:
        return None
    properties = reader.attempt("udev properties", lambda: reader.host.udev_properties(disk.name))
    path = replace(path, udev=properties or {})
    return _asked(reader, path) if ask else path


def _asked(reader: Reader, path: Path) -> Path:
    path = replace(path, health=probe(reader.host, path))
    if path.bus is Bus.CCW or path.bus is Bus.CCISS:
        reader.note("health", f"no checker here can ask a path on the {path.bus} bus")
    running = path.bus is Bus.SCSI and path.device_state == "running" and path.health.state is not PathState.REMOVED
    return inquiry.ask(reader, path) if running else path
