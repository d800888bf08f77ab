"""The rules of the blacklist and of its exceptions: the configured ones, then those that are built in.

In: the blocks of the sections and the device table. Out: `Rule`s in the order in which they are asked within a kind.
The same rule twice is one rule. Pure; asking the rules is for `desired.admission`.
"""

from collections.abc import Iterable, Iterator

from desired.conf.tree import Block
from desired.entries import DeviceEntry, Rule, RuleKind
from desired.model import Origin, OriginKind
from desired.options import PRODUCT_RULE, VENDOR_RULE, Section
from desired.regex import BadExpression, Pattern, compile_pattern
from desired.values import Effect

DISKS = "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"
"""Whatever is not called like a disk is no path."""
DISKS_WITHOUT_NVME = "!^(sd[a-z]|dasd[a-z])"
"""The same where the kernel itself joins the paths of NVMe namespaces."""
IDENTIFYING_PROPERTIES = "(SCSI_IDENT_|ID_WWN)"
"""A device that udev knows one of these of has an identity."""

_KINDS = {kind.value: kind for kind in RuleKind}


def rules_of(blocks: Iterable[Block], kind: OriginKind) -> Iterator[Rule]:
    """The rules of instances of a section, in the order of the text."""
    for block in blocks:
        for item in block.settings():
            if item.effect is Effect.SET and isinstance(item.value, Pattern):
                origin = Origin(kind, str(item.place))
                yield Rule(kind=_KINDS[item.option.keyword], origin=origin, pattern=item.value)
        for section in (Section.BLACKLIST_DEVICE, Section.EXCEPTIONS_DEVICE):
            for device in block.blocks(section):
                yield from _device_rule(device, kind)


def _device_rule(block: Block, kind: OriginKind) -> Iterator[Rule]:
    """The rule of one device subsection; one that names neither vendor nor product is none."""
    patterns = {
        item.option.keyword: item.value
        for item in block.settings()
        if item.effect is Effect.SET and isinstance(item.value, Pattern)
    }
    if patterns:
        vendor, product = patterns.get(VENDOR_RULE.keyword), patterns.get(PRODUCT_RULE.keyword)
        yield Rule(kind=RuleKind.DEVICE, origin=Origin(kind, str(block.place)), vendor=vendor, product=product)


def built_in_rules(*, native_nvme: bool) -> tuple[Rule, ...]:
    """The rule on device names that is always there."""
    origin = Origin(OriginKind.BUILT_IN, why="devices that can be no paths")
    text = DISKS_WITHOUT_NVME if native_nvme else DISKS
    return (Rule(kind=RuleKind.DEVNODE, origin=origin, pattern=compile_pattern(text)),)


def built_in_exceptions() -> tuple[Rule, ...]:
    """The exception on udev properties that is always there."""
    origin = Origin(OriginKind.BUILT_IN, why="devices that udev could identify")
    return (Rule(kind=RuleKind.PROPERTY, origin=origin, pattern=compile_pattern(IDENTIFYING_PROPERTIES)),)


def product_rules(devices: Iterable[DeviceEntry]) -> Iterator[Rule]:
    """The rules on products that are no disks. An expression that is none makes no rule (there is a message on it)."""
    for entry in devices:
        blacklisted = entry.settings.get("product_blacklist")
        if blacklisted is None:
            continue
        try:
            vendor, product = compile_pattern(entry.vendor), compile_pattern(str(blacklisted.value))
        except BadExpression:
            continue
        origin = Origin(blacklisted.origin.kind, blacklisted.origin.where, "product_blacklist")
        yield Rule(kind=RuleKind.DEVICE, origin=origin, vendor=vendor, product=product)


def distinct(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules without repetitions, each at its first place. Rules on protocols are left as they are, as ever."""
    kept: list[Rule] = []
    seen: set[tuple[object, ...]] = set()
    for rule in rules:
        key = (rule.kind, *(part.text if part else None for part in (rule.pattern, rule.vendor, rule.product)))
        if key not in seen or rule.kind is RuleKind.PROTOCOL:
            kept.append(rule)
        seen.add(key)
    return tuple(kept)
