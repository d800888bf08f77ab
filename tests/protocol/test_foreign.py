"""Foreign maps in words: which are shown, their letters, and their trees."""

from dataclasses import replace

import pytest

from controller.protocol import foreign
from controller.protocol.tables import line
from desired.config import load_config
from desired.values import Surroundings
from observers.dmtable import DevT, Sectors
from observers.snapshot import DeviceName, ForeignMap, ForeignPath, HostFacts, Snapshot, TextFile

HEAD = DeviceName("nvme0n1")


def path(number: int, state: str, ana: str) -> ForeignPath:
    return ForeignPath(
        name=DeviceName(f"nvme0c{number}n1"),
        dev=DevT("0:0"),
        head=HEAD,
        wwid="uuid.1",
        size=Sectors(131072),
        state=state,
        ana_state=ana,
        product="Linux",
        revision="6.1",
        serial="LAB1",
        transport="tcp",
        address=f"traddr=10.0.0.{number}",
        adapter="0000:03:00.0" if number else "",
    )


NAMESPACE = ForeignMap(
    library="nvme",
    name=HEAD,
    dev=DevT("259:1"),
    wwid="uuid.1",
    subsystem="nqn.2026-01.lab:sub1",
    namespace=1,
    size=Sectors(131072),
    product="Linux",
    revision="6.1",
    paths=(path(0, "live", "optimized"), path(1, "connecting", "non-optimized")),
)


@pytest.mark.parametrize(
    ("rule", "everything", "count"),
    [("", False, 0), ("NONE", False, 0), ("nvme", False, 1), ("^nv", False, 1), (".*", False, 1), ("", True, 1)],
)
def test_enable_foreign_decides_on_showing(rule: str, everything: bool, count: int) -> None:
    text = f'defaults {{\n\tenable_foreign "{rule}"\n}}\n' if rule else ""
    file = TextFile("/etc/multipath.conf", text)
    snapshot = Snapshot(
        taken_at=0.0,
        host=HostFacts(kernel_release="6.1", dm_version=None, multipath_target=None),
        config_files=(file,),
        foreign_maps=(NAMESPACE,),
    )
    config = load_config((file,), main=file.path, surroundings=Surroundings())
    assert len(foreign.shown(snapshot, config, everything=everything)) == count


def test_a_tree_has_a_group_for_each_path() -> None:
    assert foreign.topology(NAMESPACE) == (
        "uuid.1 [nvme]:nvme0n1 NVMe,Linux,6.1\n"
        "size=131072 features='n/a' hwhandler='ANA' wp=rw\n"
        "|-+- policy='n/a' prio=50 status=optimized\n"
        "| `- 0:0:1 nvme0c0n1 0:0 n/a optimized     live      \n"
        "`-+- policy='n/a' prio=10 status=non-optimized\n"
        "  `- 0:1:1 nvme0c1n1 0:0 n/a non-optimized connecting\n"
    )


def test_without_ana_there_are_no_priorities() -> None:
    plain = replace(NAMESPACE, paths=(path(0, "live", ""),))
    assert foreign.topology(plain).splitlines()[1:3] == [
        "size=131072 features='n/a' hwhandler='n/a' wp=rw",
        "`-+- policy='n/a' prio=n/a status=n/a",
    ]


def test_the_letters_of_a_map() -> None:
    assert line(NAMESPACE, foreign.MAP, "%n|%w|%d|%N|%r|%S|%h|%s|%v|%p|%e|%G|%f|%t|%0") == (
        "nqn.2026-01.lab:sub1:nsid.1|uuid.1|nvme0n1|1|rw|131072|ANA|NVMe,Linux,6.1|NVMe|Linux|6.1|nvme|n/a|n/a|n/a\n"
    )


def test_the_letters_of_a_path() -> None:
    assert line(NAMESPACE.paths[1], foreign.PATH, "%w|%i|%d|%D|%o|%T|%p|%s|%S|%z|%m|%N|%R|%G|%a|%t|%C") == (
        "uuid.1|0:1:1|nvme0c1n1|0:0|connecting|non-optimized|10|NVMe,Linux,6.1|131072|LAB1|nvme0n1"
        "|tcp:traddr=10.0.0.1|tcp:traddr=10.0.0.1|[nvme]|PCI:0000:03:00.0|n/a|n/a\n"
    )


def test_a_read_only_namespace_says_so() -> None:
    assert line(replace(NAMESPACE, read_only=True), foreign.MAP, "%r") == "ro\n"
