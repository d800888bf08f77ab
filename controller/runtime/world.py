"""What is known of the host, kept up to date piece by piece, so that no cycle has to read everything again.

In: a `ReadHost`, and word that something should be looked at again. Out: a `Snapshot` at any time. Facts that sysfs,
udev and device-mapper know are read at once; what only the devices can say (`answered`) comes later and stays with the
path for as long as it is the same device under its name. The texts of files are handed in, for whoever reads below /etc
may have to wait for a disk. It must never change anything, nor ask a device, nor open a file but in /sys, /proc, /run.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from controller.runtime.cycle import Files
from controller.runtime.rules_awaited import RulesAwaited
from observers import devicemapper, nvme, runtime_files, sysfs, tunables
from observers.breathing import Breathe, breathing, without_pause
from observers.changing import changed
from observers.collect import host_facts
from observers.config_files import Texts
from observers.dmtable import DevT
from observers.host import ReadHost
from observers.reading import Reader
from observers.snapshot import DeviceName, DmDevice, DmUuid, Gap, HostFacts, Map, Path, Snapshot, dev_key

_RECORDS = ("/bindings", "/wwids", "/prkeys")

Settle = Callable[[Path], Path | None]
"""Gives a path the state that counts, which is not always its checker's last answer; None: it is to be left out."""


class Seen(Enum):
    """What looking at a path again brought."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    """A path that was not known, or another device under a known name."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A path as last seen, which device it was then, what could not be read of it, and what it did not answer."""

    path: Path
    incarnation: tuple[str, ...]
    gaps: tuple[Gap, ...] = ()
    unanswered: tuple[Gap, ...] = ()


class World:
    """The store. `generation` grows with every change, so that what was made from it can be kept until then."""

    def __init__(self, host: ReadHost, files: Files) -> None:
        self._host, self._files = host, files
        self._entries: dict[DeviceName, _Entry] = {}
        self._by_number: dict[DevT, DeviceName] = {}
        self._ordered: tuple[DeviceName, ...] | None = None
        """The paths in order; None: they are not what they were."""
        self._lost: dict[DeviceName, tuple[Gap, ...]] = {}
        self._maps: dict[DmUuid, Map] = {}
        self._map_gaps: dict[str, tuple[Gap, ...]] = {}
        self._kernel = devicemapper.Observed()
        self._texts = Texts()
        fixed = Gap(f"{files.state_dir}/bindings", "bindings", "it is not to be changed (-B)")
        self._withheld = (fixed,) if files.fixed_names else ()
        self._reader_gaps: tuple[Gap, ...] = ()
        self._facts = host_facts(Reader(host, "host"), self._kernel)
        self._failed = runtime_files.failed_wwids(Reader(host, "host"))
        self._foreign = nvme.observe(Reader(host, "host"))
        self.generation = self.memberships = 0
        """`memberships` grows whenever a device is in another map than before, or in none."""
        self.breathe: Breathe = without_pause
        """Called again and again while many maps are looked at."""
        self.awaited = RulesAwaited()
        """The disks that are no paths yet, because udev does not know them."""
        self._strangers: tuple[tuple[DeviceName, bool], ...] = ()
        self.looked_at = host.monotonic()
        """When (monotonic seconds) anything was last looked at."""

    # ---- looking again

    def survey(self) -> tuple[DeviceName, ...]:
        """Everything but paths and maps; the names that there are to look at, also those that are gone. The
        configuration stays."""
        self.looked_at = self._host.monotonic()
        reader = Reader(self._host, "host")
        names = sysfs.disk_names(reader)
        fresh = [name for name in names if name not in self._entries and not name.startswith("dm-")]
        self._strangers = tuple((name, sysfs.is_hidden(reader, name)) for name in fresh)
        self._facts = host_facts(reader, self._kernel)
        self._failed = runtime_files.failed_wwids(reader)
        self._foreign = nvme.observe(reader)
        self._reader_gaps = tuple(reader.gaps)
        self.generation += 1
        return (*names, *(self._entries.keys() - set(names)))

    def refresh_path(self, name: DeviceName) -> Seen:
        """One block device, as sysfs and udev know it."""
        self.looked_at = self._host.monotonic()
        before = self._entries.get(name)
        entry, gaps = self._look(name)
        self._lost.pop(name, None)
        if entry is None:
            self.awaited.forget(name)
            if gaps and before is not None and self._exists(name):
                self._lost[name] = gaps
            return self._gone(name, before)
        same_device = before is not None and before.incarnation == entry.incarnation
        if not same_device and self._waits(entry.path):
            return self._gone(name, before)
        if before is not None and same_device:
            entry = replace(entry, path=with_answers_of(entry.path, before.path), unanswered=before.unanswered)
        if before == entry:
            return Seen.SAME
        if before is None or before.path.dev != entry.path.dev:
            self._ordered = None
        self._entries[name] = entry
        if before is not None and before.path.dev != entry.path.dev and self._by_number.get(before.path.dev) == name:
            del self._by_number[before.path.dev]
        self._by_number[entry.path.dev] = name
        self.generation += 1
        return Seen.CHANGED if same_device else Seen.NEW

    def refresh_attributes(self, files: Collection[str]) -> None:
        """The paths that have these attributes, of which some are of ports and adapters that they share."""
        if files:
            for name, entry in tuple(self._entries.items()):
                if any(each.file in files for each in entry.path.tunables):
                    self.refresh_path(name)

    def _gone(self, name: DeviceName, before: _Entry | None) -> Seen:
        if before is None:
            return Seen.SAME
        del self._entries[name]
        self._ordered = None
        if self._by_number.get(before.path.dev) == name:
            del self._by_number[before.path.dev]
        self.generation += 1
        return Seen.GONE

    def _waits(self, path: Path) -> bool:
        return self._facts.udev_running and self.awaited.waits(path, now=self.looked_at)

    def _exists(self, name: DeviceName) -> bool:
        return name in sysfs.disk_names(Reader(self._host, "host"))

    def _look(self, name: DeviceName) -> tuple[_Entry | None, tuple[Gap, ...]]:
        reader = Reader(self._host, name)
        disk = sysfs.find(reader, name)
        before = sysfs.incarnation(reader, disk) if disk is not None else None
        path = sysfs.observe(reader, disk) if disk is not None else None
        if disk is None or path is None or before is None:
            return None, tuple(reader.gaps)
        properties = reader.attempt("udev properties", lambda: self._host.udev_properties(name))
        if sysfs.incarnation(reader, disk) != before:  # another device took the name; its own event follows
            return None, (Gap(name, "device", "it vanished, or another took its name, while it was read"),)
        path = replace(path, udev=properties or {}, tunables=tunables.observe(reader, path))
        return _Entry(path, before, tuple(reader.gaps)), ()

    def refresh_maps(self, uuids: Collection[DmUuid] | None = None) -> frozenset[DmUuid]:
        """All maps, or some; which are not as they were."""
        self.looked_at = self._host.monotonic()
        before = dict(self._maps)
        if uuids is None:
            self._kernel = devicemapper.observe(self._host, breathe=self.breathe)
            self._maps = {seen.uuid: seen for seen in self._kernel.maps}
            self._map_gaps = {}
        else:
            self._refresh_some(uuids)
        looked = before.keys() | self._maps.keys() if uuids is None else set(uuids)
        changed = frozenset(uuid for uuid in looked if before.get(uuid) != self._maps.get(uuid))
        self.memberships += any(_devices(before.get(uuid)) != _devices(self._maps.get(uuid)) for uuid in changed)
        self.generation += bool(changed)
        return changed

    def _refresh_some(self, uuids: Collection[DmUuid]) -> None:
        seen = devicemapper.observe_some(self._host, uuids, breathe=self.breathe)
        found = {each.uuid: each for each in seen.maps}
        for uuid in uuids:
            self._map_gaps.pop(uuid, None)
            if uuid in found:
                self._maps[uuid] = found[uuid]
                self._map_gaps[uuid] = tuple(gap for gap in seen.gaps if gap.subject == found[uuid].name)
            elif not any(gap.subject == devicemapper.SUBJECT for gap in seen.gaps):
                self._maps.pop(uuid, None)

    # ---- what others found out

    def configured(self, texts: Texts) -> None:
        """A configuration that was found usable is the one in force from now on; the other files as they are too."""
        self._texts = texts
        self.generation += 1

    def recorded(self, texts: Texts) -> bool:
        """The files of bindings, WWIDs and keys as they are now; whether they changed. The configuration stays."""
        before = self._texts
        gaps = tuple(gap for gap in texts.gaps if gap.subject.endswith(_RECORDS))
        self._texts = replace(texts, configuration=before.configuration, gaps=gaps)
        self._failed = runtime_files.failed_wwids(Reader(self._host, "host"))
        changed = self._texts != before
        self.generation += changed
        return changed

    def answered(self, path: Path, *, gaps: Iterable[Gap] = ()) -> bool:
        """What a device said, as a path with its answers; whether that is news. An answer that comes after the device
        went, or about another device under the name, is dropped."""
        self.looked_at = self._host.monotonic()
        entry = self._entries.get(path.name)
        if entry is None or (entry.path.dev, entry.path.sysfs) != (path.dev, path.sysfs):
            return False
        fresh = changed(entry, path=with_answers_of(entry.path, path), unanswered=tuple(gaps))
        self._entries[path.name] = fresh
        self.generation += fresh is not entry
        return fresh is not entry

    def confirmed(self) -> None:
        """A device answered as it did before."""
        self.looked_at = self._host.monotonic()

    def resampled(self, path: Path) -> bool:
        """What sysfs says now of attributes that change by themselves; whether that is news."""
        entry = self._entries.get(path.name)
        if entry is None or entry.path == path or entry.path.dev != path.dev:
            return False
        self._entries[path.name] = replace(entry, path=path)
        self.generation += 1
        return True

    # ---- telling

    def path(self, name: DeviceName) -> Path | None:
        """One path as last seen."""
        entry = self._entries.get(name)
        return entry.path if entry else None

    def name_of(self, dev: DevT) -> DeviceName | None:
        """The block device of a number."""
        return self._by_number.get(dev)

    def incarnation(self, name: DeviceName) -> tuple[str, ...] | None:
        """Which device has a name now; two that differ are two devices."""
        entry = self._entries.get(name)
        return entry.incarnation if entry else None

    @property
    def names(self) -> tuple[DeviceName, ...]:
        """All block devices that could be paths."""
        return tuple(self._entries)

    @property
    def others(self) -> tuple[tuple[DeviceName, bool], ...]:
        """The block devices that can be no paths, of the last look at everything; and whether each is hidden."""
        return tuple(each for each in self._strangers if each[0] not in self._entries)

    @property
    def facts(self) -> HostFacts:
        """What the kernel and the system are."""
        return self._facts

    @property
    def other_devices(self) -> tuple[DmDevice, ...]:
        """The devices of device-mapper that are no multipath maps, as of the last look at all of them."""
        return self._kernel.other_devices

    @property
    def maps(self) -> Mapping[DmUuid, Map]:
        """All multipath maps."""
        return self._maps

    def snapshot(
        self, settle: Settle, *, paths: Collection[DeviceName] | None = None,
        maps: Collection[DmUuid] | None = None, breathe: Breathe = without_pause,
    ) -> Snapshot:  # fmt: skip
        """All of it, or some paths and maps with everything that is not about one of them. Nothing is read."""
        names = self._in_order() if paths is None else self._sorted(name for name in paths if name in self._entries)
        chosen = [self._entries[name] for name in names]
        live = [self._maps[uuid] for uuid in (self._maps if maps is None else maps) if uuid in self._maps]
        gaps = [gap for entry in breathing(chosen, breathe) for gap in (*entry.gaps, *entry.unanswered)]
        gaps += [gap for lost in self._lost.values() for gap in lost]
        gaps += [gap for each in live for gap in self._map_gaps.get(each.uuid, ())]
        return Snapshot(
            taken_at=self._host.wall_time(),
            host=self._facts,
            main_config=self._files.config,
            config_files=self._texts.configuration,
            bindings=self._texts.bindings,
            wwids=self._texts.wwids,
            prkeys=self._texts.prkeys,
            paths=tuple(filter(None, map(settle, (entry.path for entry in breathing(chosen, breathe))))),
            maps=tuple(sorted(live, key=lambda each: dev_key(each.dev))),
            other_devices=self._kernel.other_devices,
            failed_wwids=self._failed,
            foreign_maps=self._foreign,
            gaps=(*self._reader_gaps, *self._texts.gaps, *self._withheld, *self._kernel.gaps, *gaps),
        )

    def _in_order(self) -> tuple[DeviceName, ...]:
        """All paths in the order of their device numbers."""
        if self._ordered is None:
            self._ordered = self._sorted(self._entries)
        return self._ordered

    def _sorted(self, names: Iterable[DeviceName]) -> tuple[DeviceName, ...]:
        return tuple(sorted(names, key=lambda name: dev_key(self._entries[name].path.dev)))


def _devices(live: Map | None) -> tuple[DevT, ...]:
    return live.table.devices if live is not None and live.table is not None else ()


def with_answers_of(path: Path, told: Path) -> Path:
    """A path with what the same device answered before: health, identity, and access states as it reported them."""
    if told is path:
        return path
    group = path.alua.group if told.alua.group is None else told.alua.group
    alua = changed(
        path.alua,
        tpgs=told.alua.tpgs,
        group=group,
        reported_state=told.alua.reported_state,
        reported_preferred=told.alua.reported_preferred,
    )
    return changed(
        path,
        health=told.health,
        alua=alua,
        page83_device=told.page83_device,
        inquiry_device=told.inquiry_device,
        priority_seen=told.priority_seen,
        vendor_pages=told.vendor_pages,
        nvme_identity=told.nvme_identity,
        serial=path.serial or told.serial,
    )
