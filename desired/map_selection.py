"""The properties of a map as they are in force: precedence, and what stands above it.

In: the configuration's layers for a map, the profiles of its paths, and what was seen of them. Out: one profile for all
maps that are alike, with every value's origin. Above precedence stand autodetection, what the kernel does anyway, what
one keyword implies for another, and whether anybody watches over the map. Pure; must never guess what was not seen.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from desired import options
from desired.accounting import error_accounting
from desired.care import MapCare
from desired.care_settings import map_care
from desired.features import (
    QUEUE,
    RETAIN,
    QueueMode,
    add_feature,
    feature_words,
    queue_mode_of,
    reconcile,
    reconcile_queue_mode,
)
from desired.model import Failback, Origin, OriginKind, Resolved
from desired.options import Option
from desired.precedence import Layers
from desired.selection import PathProfile, detected, implied, in_words
from desired.values import GroupingPolicy, MarginalPathgroups, RetryMode, RrWeight
from observers.dmtable import MultipathTable
from observers.snapshot import HostFacts, Path

T = TypeVar("T")

_ALUA = "1 alua"
_NO_HANDLER = "0"
_ALUA_PRIORITIZERS = frozenset({"alua", "sysfs"})

_RETAINS_ALWAYS = (4, 3)
"""The kernel release from which a device handler that is attached is always kept."""
_CAN_RETAIN = (1, 5, 0)
"""The version of the multipath target from which it can keep an attached handler."""
_REQUEST_BASED = (1, 1, 0)
"""The version of the multipath target from which it is request-based."""
_NEWEST = (1, 99, 0)
"""Stands for a target that is not loaded yet."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What the kernel does whatever is configured. `watched`: a daemon watches over the maps."""

    kernel: tuple[int, ...]
    target: tuple[int, int, int]
    watched: bool

    @classmethod
    def of(cls, host: HostFacts, *, watched: bool) -> "Platform":
        """The platform that a snapshot shows."""
        numbers = re.findall(r"\d+", host.kernel_release)[:2]
        return cls(tuple(map(int, numbers)), host.multipath_target or _NEWEST, watched)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTraits:
    """What of a map's paths decides its profile, besides the layers.

    `attached`: device handler that the kernel attached to the first path that has one. `all_tpgs`: every path has
    target port groups. `alua_priorities`: every path's prioritizer is alua or sysfs. `queue_mode`: the one that the map
    has, or must get; None: as configured. `queues`: whether I/O waits for paths in the loaded table.
    """

    attached: str
    all_tpgs: bool
    alua_priorities: bool
    queue_mode: QueueMode | None
    queues: bool


def map_traits(paths: Iterable[Path], profiles: Iterable[PathProfile], *, loaded: MultipathTable | None) -> MapTraits:
    """The traits of a map. A path of which nothing is known does not speak against the others."""
    paths, profiles = tuple(paths), tuple(profiles)
    known = {profile.tpgs for profile in profiles}
    over_tcp = any(path.protocol == "nvme:tcp" for path in paths)
    return MapTraits(
        attached=next((path.alua.handler for path in paths if path.alua.handler), ""),
        all_tpgs=0 not in known and bool(known - {None}),
        alua_priorities=all(profile.prioritizer.value in _ALUA_PRIORITIZERS for profile in profiles),
        queue_mode=QueueMode.BIO if over_tcp else queue_mode_of(loaded.features) if loaded else None,
        queues=loaded is not None and loaded.queues,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MapProfile:
    """What holds for all maps of a kind that were seen alike. `features`, `handler`: words without their count."""

    policy: GroupingPolicy
    selector: str
    selector_args: tuple[str, ...]
    features: tuple[str, ...]
    handler: tuple[str, ...]
    repeat_count: int
    weighted: bool
    separate_marginal: bool
    failback: Resolved[Failback]
    skip_kpartx: bool
    mode: int | None
    uid: int | None
    gid: int | None
    properties: dict[str, Resolved[str]]
    notes: tuple[str, ...]
    care: MapCare


_SHOWN: tuple[Option[Any], ...] = (
    options.USER_FRIENDLY_NAMES, options.ALIAS_PREFIX, options.FAILBACK_OPTION, options.DETECT_PGPOLICY,
    options.DETECT_PGPOLICY_USE_TPG, options.PATH_SELECTOR, options.RR_WEIGHT,
    options.RECHECK_WWID, options.DETECT_PRIO, options.DETECT_CHECKER, options.VPD_VENDOR_OPTION, options.MODE,
    options.UID, options.GID, options.RESERVATION_KEY, options.ALL_TG_PT, options.DEFERRED_REMOVE, options.SKIP_KPARTX,
    options.MAX_SECTORS_KB, options.GHOST_DELAY, options.FLUSH_ON_LAST_DEL, options.PURGE_DISCONNECTED,
    options.FAST_IO_FAIL_TMO, options.DEV_LOSS_TMO, options.EH_DEADLINE, options.MAX_RETRIES,
)  # fmt: skip
"""Options whose value is what precedence says."""


def map_profile(layers: Layers, traits: MapTraits, platform: Platform) -> MapProfile:
    """Everything about a map that does not depend on which paths it has."""
    policy, handler, repeat = (
        _policy(layers, traits),
        _handler(layers, traits, platform),
        _repeat_count(layers, platform),
    )
    selector = layers.require(options.PATH_SELECTOR).value.split()
    queueing, accounting = _queueing(layers, traits, platform), error_accounting(layers)
    shown: dict[str, Resolved[Any]] = {
        "path_grouping_policy": policy,
        "hardware_handler": handler,
        repeat[0]: repeat[1],
    }
    shown |= queueing.properties | accounting
    texts = {option.keyword: _printed(option, found) for option in _SHOWN if (found := layers.lookup(option))}
    return MapProfile(
        policy=policy.value,
        selector=selector[0],
        selector_args=tuple(selector[2:]),
        features=queueing.words,
        handler=feature_words(handler.value),
        repeat_count=repeat[1].value,
        weighted=layers.require(options.RR_WEIGHT).value is RrWeight.PRIORITIES,
        separate_marginal=layers.require(options.MARGINAL_PATHGROUPS).value is not MarginalPathgroups.OFF,
        failback=layers.require(options.FAILBACK_OPTION),
        skip_kpartx=layers.require(options.SKIP_KPARTX).value,
        mode=_value(layers.lookup(options.MODE)),
        uid=_value(layers.lookup(options.UID)),
        gid=_value(layers.lookup(options.GID)),
        properties=texts | {keyword: in_words(value) for keyword, value in shown.items()},
        notes=queueing.notes,
        care=map_care(layers, accounting, queueing.properties.get("no_path_retry")),
    )


def _value(resolved: Resolved[T] | None) -> T | None:
    return resolved.value if resolved is not None else None


def _printed(option: Option[T], resolved: Resolved[T]) -> Resolved[str]:
    return Resolved(option.write(resolved.value), resolved.origin)


def _policy(layers: Layers, traits: MapTraits) -> Resolved[GroupingPolicy]:
    if traits.alua_priorities and layers.require(options.DETECT_PGPOLICY).value:
        by_group = layers.require(options.DETECT_PGPOLICY_USE_TPG).value
        policy = GroupingPolicy.GROUP_BY_TPG if by_group else GroupingPolicy.GROUP_BY_PRIO
        return Resolved(policy, detected("the priorities of all paths are from target port groups"))
    policy_set = layers.require(options.PATH_GROUPING_POLICY)
    if policy_set.value is GroupingPolicy.GROUP_BY_TPG and not traits.alua_priorities:
        why = "group_by_tpg can't be used: not all paths have their priority from target port groups"
        return Resolved(GroupingPolicy.FAILOVER, implied(why))
    return policy_set


def _retained(layers: Layers, platform: Platform) -> Resolved[bool]:
    if platform.target < _CAN_RETAIN:
        return Resolved(value=False, origin=Origin(OriginKind.KERNEL, why="multipath target older than 1.5.0"))
    if platform.kernel >= _RETAINS_ALWAYS:
        return Resolved(value=True, origin=Origin(OriginKind.KERNEL, why="kernel 4.3 or newer"))
    return layers.require(options.RETAIN_ATTACHED_HW_HANDLER)


def _handler(layers: Layers, traits: MapTraits, platform: Platform) -> Resolved[str]:
    """The kernel's own handler goes before the configured one; alua only where it can work, and there also unasked."""
    chosen = attached_handler(layers, traits, platform) or layers.require(options.HARDWARE_HANDLER)
    if traits.all_tpgs and chosen.value == _NO_HANDLER and chosen.origin.kind is OriginKind.BUILT_IN:
        return Resolved(_ALUA, detected("all paths have target port groups"))
    if not traits.all_tpgs and chosen.value == _ALUA:
        return Resolved(_NO_HANDLER, detected("not all paths have target port groups"))
    return chosen


def attached_handler(layers: Layers, traits: MapTraits, platform: Platform) -> Resolved[str] | None:
    """The handler that the kernel has attached and keeps; None: there is none, or it is not kept."""
    if not traits.attached or not _retained(layers, platform).value:
        return None
    return Resolved(f"1 {traits.attached}", Origin(OriginKind.KERNEL, why="attached, sysfs dh_state"))


def _repeat_count(layers: Layers, platform: Platform) -> tuple[str, Resolved[int]]:
    """After how many requests (bios on old kernels) the selector is asked again."""
    option = options.RR_MIN_IO_RQ if platform.target >= _REQUEST_BASED else options.RR_MIN_IO
    return option.keyword, layers.require(option)


@dataclass(frozen=True, slots=True)
class _Queueing:
    words: tuple[str, ...]
    properties: dict[str, Resolved[Any]]
    notes: tuple[str, ...]


def _queueing(layers: Layers, traits: MapTraits, platform: Platform) -> _Queueing:
    """The features of the table, and the keywords that are bound up with them."""
    features, retain = layers.require(options.FEATURES), _retained(layers, platform)
    configured = layers.lookup(options.NO_PATH_RETRY)
    retry = options.NO_PATH_RETRY.write(configured.value) if configured else None
    result = reconcile(features.value, retry, retain=retain.value)
    words, _ = reconcile_queue_mode(result.features, traits.queue_mode)
    shown: dict[str, Resolved[Any]] = {"features": Resolved(words, features.origin), RETAIN: retain}
    if result.no_path_retry is not None:
        origin = configured.origin if configured else replace(features.origin, why=f"features {QUEUE}")
        if result.no_path_retry != RetryMode.FAIL:
            origin, words = _queued(layers, traits, platform, Resolved(words, origin))
        shown["no_path_retry"] = Resolved(result.no_path_retry, origin)
    elif traits.queues:  # nobody says what it should be, so it stays as somebody made it
        words = add_feature(words, QUEUE)
    if retain.value and platform.kernel < _RETAINS_ALWAYS:
        words = add_feature(words, RETAIN)
    return _Queueing(feature_words(words), shown, result.notes)


def _queued(layers: Layers, traits: MapTraits, platform: Platform, words: Resolved[str]) -> tuple[Origin, str]:
    """Without a daemon nobody would end the waiting: a new map's I/O fails, unless queue_without_daemon says otherwise.

    A loaded map stays as it is: its daemon may just be between stop and start, and ended the waiting itself if it left.
    """
    if platform.watched or layers.require(options.QUEUE_WITHOUT_DAEMON).value:
        return words.origin, add_feature(words.value, QUEUE)
    why = "no daemon watches over the map, and queue_without_daemon is no: "
    if traits.queues:
        queueing, why = add_feature(words.value, QUEUE), why + f"{QUEUE} stays in the table that has it"
    else:
        queueing, why = words.value, why + f"{QUEUE} is left out of the table"
    before = words.origin.why
    return replace(words.origin, why=f"{before}; {why}" if before else why), queueing
