"""Scenario files: what they say, what is wrong with them and where, and that printing gives them back."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sandbox.boot import boot
from controller.sandbox.events import VERBS, seconds, sectors
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import (
    AccessState,
    Adapter,
    Array,
    Event,
    FileSpec,
    Group,
    HostSpec,
    Lun,
    MapSpec,
    PortRef,
    Scenario,
    Tpgs,
    Transport,
    paths_at_boot,
)
from controller.sandbox.scenario import load_scenario, parse_scenario, shipped_scenarios
from controller.sandbox.scenario_text import format_scenario
from observers.errors import ConfigError, InputError
from observers.kernel.scsi import decode_sense
from tests.sandbox import dm

FULL = """
# everything that the language has
host
    release 6.12.0-1
    time 2025-06-01T12:00:00
    user 1000
    udev off
    udev-delay 3s
    device-mapper off
array a1
    vendor "AB C"
    product "P Q"
    revision 1
    node 5000000000000000
    tpgs both
    handler rdac
    group 1 active/optimized preferred 5000000000000001
    group 2 standby 5000000000000002 5000000000000003
    lun 0-1 size 20G naa 60000000000000000000000000000a{nn} owner 1
    lun 7 size 2048s serial "S 7" read-only
adapter 1 fc 1000000000000001
    sees a1 5000000000000001 5000000000000003
map "my map" mpath-x
    table 0 2048 multipath 0 0 1 1 round-robin 0 1 1 sda 1
    inactive 0 2048 error
    suspended
    read-only
    opened 2
file /etc/multipath.conf <<STOP
array not a section
  "quotes
STOP
now offline sda
at 30s alua a1:2 active/optimized a1:0 a1:7
at 2m fail-ioctl DM_DEV_SUSPEND EBUSY 2
"""

EXPECTED = Scenario(
    name="full",
    host=HostSpec(release="6.12.0-1", time=1748779200.0, user=1000, udev=False, udev_delay=3.0, device_mapper=False),
    arrays=(
        Array(
            name="a1",
            vendor="AB C",
            product="P Q",
            revision="1",
            node="5000000000000000",
            tpgs=Tpgs.BOTH,
            handler="rdac",
            groups=(
                Group(id=1, state=AccessState.OPTIMIZED, preferred=True, ports=("5000000000000001",)),
                Group(id=2, state=AccessState.STANDBY, ports=("5000000000000002", "5000000000000003")),
            ),
            luns=(
                Lun(number=0, size=41943040, naa="60000000000000000000000000000a00", serial="000000000a00", owner=1),
                Lun(number=1, size=41943040, naa="60000000000000000000000000000a01", serial="000000000a01", owner=1),
                Lun(number=7, size=2048, serial="S 7", read_only=True),
            ),
        ),
    ),
    adapters=(
        Adapter(
            host=1,
            transport=Transport.FC,
            port="1000000000000001",
            sees=(PortRef("a1", "5000000000000001"), PortRef("a1", "5000000000000003")),
        ),
    ),
    maps=(
        MapSpec(
            name="my map",
            uuid="mpath-x",
            table=("0 2048 multipath 0 0 1 1 round-robin 0 1 1 sda 1",),
            inactive=("0 2048 error",),
            suspended=True,
            read_only=True,
            opened=2,
        ),
    ),
    files=(FileSpec("/etc/multipath.conf", 'array not a section\n  "quotes\n'),),
    events=(
        Event(0.0, "offline", ("sda",)),
        Event(30.0, "alua", ("a1:2", "active/optimized", "a1:0", "a1:7")),
        Event(120.0, "fail-ioctl", ("DM_DEV_SUSPEND", "EBUSY", "2")),
    ),
)


def test_everything_that_the_language_has() -> None:
    assert parse_scenario(FULL, file="some/where/full.san") == EXPECTED


def test_printed_and_parsed_again_it_is_the_same() -> None:
    assert parse_scenario(format_scenario(EXPECTED), file="full.san") == EXPECTED


def test_the_end_of_a_printed_file_is_no_line_of_it() -> None:
    scenario = Scenario(name="x", files=(FileSpec("/etc/x", "END\nEND-\n"),))
    assert parse_scenario(format_scenario(scenario), file="x.san") == scenario


def test_paths_are_found_by_adapter_port_and_number() -> None:
    assert [str(address) for address, *_ in paths_at_boot(EXPECTED)] == [
        "1:0:0:0",
        "1:0:0:1",
        "1:0:0:7",
        "1:0:1:0",
        "1:0:1:1",
        "1:0:1:7",
    ]


ARRAY = """array a
vendor V
product P
revision 1
node n
group 1 active/optimized p
lun 0 size 1G serial s
"""
ADAPTER = "adapter 0 pseudo h\nsees a p\n"

WRONG = {
    "an unknown keyword": ("nosuch\n", "1:1: 'nosuch' is not a keyword"),
    "a keyword of another section": ("host\n  vendor X\n", "2:3: 'vendor' is not a keyword in this host section"),
    "a word too many": ("host\n  user 1 2\n", "2:10: '2' is too much here"),
    "a word that is missing": ("host\n  user\n", "2:7: a user id is missing"),
    "no number": ("host\n  user root\n", "2:8: 'root' is not a user id"),
    "neither on nor off": ("host\n  udev yes\n", "2:8: 'yes' is not on or off"),
    "no instant": ("host\n  time now\n", "2:8: 'now' is not a time such as"),
    "an open quote": ('host\n  release "6.1\n', "2:11: this quote is not closed"),
    "no delay": ("host\n  udev-delay long\n", "2:14: 'long' is not a time such as 3s"),
    "an array without a vendor": ("array a\nproduct P\n", "1:7: array a has no vendor"),
    "an array without a group": (
        "array a\nvendor V\nproduct P\nrevision 1\nnode n\nhost\n",
        "1:7: array a has no group",
    ),
    "an array's name twice": (ARRAY + "array a\n", "8:7: 'a' is not a new array's name"),
    "too long a vendor": ("array a\nvendor 123456789\n", "2:8: '123456789' is not text of at most 8 signs"),
    "unknown tpgs": ("array a\ntpgs some\n", "2:6: 'some' is not one of none"),
    "an unknown handler": ("array a\nhandler alua\n", "2:9: 'alua' is not a handler"),
    "an unknown state": ("array a\ngroup 1 optimal p\n", "2:9: 'optimal' is not an access state"),
    "a group twice": (ARRAY + "group 1 standby q\n", "8:7: group 1 is there already"),
    "a port twice": (ARRAY + "group 2 standby p\n", "8:17: port p is there already"),
    "a group without ports": ("array a\ngroup 1 standby\n", "2:9: group 1 has no port"),
    "a LUN twice": (ARRAY + "lun 0 size 1G serial s\n", "8:5: a LUN of that number is there already"),
    "no size": (ARRAY + "lun 1 size big serial s\n", "8:12: 'big' is not a size such as 20G"),
    "a size of nothing": (ARRAY + "lun 1 size 0K serial s\n", "8:22: a LUN needs a size"),
    "a LUN without a name": (ARRAY + "lun 1 size 1G\n", "8:12: a LUN needs a size, and a naa or a serial"),
    "no naa": (ARRAY + "lun 1 size 1G naa 123\n", "8:19: '123' is not 16 or 32 hexadecimal digits"),
    "an owner that is no group": (ARRAY + "lun 1 size 1G serial s owner 9\n", "8:30: '9' is not a group of this array"),
    "an unknown LUN keyword": (ARRAY + "lun 1 site 1G\n", "8:7: 'site' is not a keyword of a LUN"),
    "no range": (ARRAY + "lun 3-1 size 1G serial s\n", "8:5: '3-1' is not a LUN (0) or several (0-3)"),
    "an unknown transport": ("adapter 0 usb h\n", "1:11: 'usb' is not a transport"),
    "an adapter twice": ("adapter 0 fc h\nadapter 0 fc h\n", "2:9: adapter 0 is there already"),
    "an unknown array": ("adapter 0 fc h\nsees a p\n", "2:6: no array is called 'a'"),
    "an unknown port": (ARRAY + "adapter 0 fc h\nsees a q\n", "9:8: 'q' is not a port of a"),
    "a map twice": ("map a u\nmap b u\n", "2:7: a map of that name or UUID is there already"),
    "a table without numbers": ("map a u\ntable linear 8:0 0\n", "2:7: 'linear' is not the first sector"),
    "a relative path": ("file etc/x <<E\nE\n", "1:6: 'etc/x' is not an absolute path"),
    "no here-word": ("file /etc/x E\n", "1:13: 'E' should be <<END"),
    "a text without its end": ("file /etc/x <<E\nx\n", "1:13: the text that begins here has no end"),
    "no time": ("at soon offline sda\n", "1:4: 'soon' is not a time such as 30s"),
    "an unknown event": ("now explode\n", "1:5: no event is called 'explode'"),
    "an event without its words": ("now offline\n", "1:12: a disk (sda or H:C:T:L) is missing"),
    "no disk": ("now offline hda\n", "1:13: 'hda' is not a disk"),
    "an unknown adapter": ("now adapter-down 3\n", "1:18: '3' is not an adapter's number"),
    "an unknown unit": (ARRAY + "now unmap a:9\n", "8:11: 'a:9' is not a logical unit"),
    "an unknown target port": (ARRAY + "now port-down a/q\n", "8:15: 'a/q' is not a target port"),
    "an unknown group": (ARRAY + "now alua a:9 standby\n", "8:10: 'a:9' is not a target port group"),
    "an unknown access state": (ARRAY + "now alua a:1 idle\n", "8:14: 'idle' is not an access state"),
    "no errno": ("now fail-read /x EFOO 1\n", "1:18: 'EFOO' is not an errno"),
    "no link": ("now link bad sda\n", "1:10: 'bad' is not up, no-connect or silent"),
    "no size in an event": (ARRAY + "now resize a:0 x\n", "8:16: 'x' is not a size"),
    "a word too many in an event": ("now io m read more\n", "1:15: 'more' is too much here"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(case: str) -> None:
    text, message = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, file="x.san")
    assert str(caught.value).startswith(f"x.san:{message}")


def test_a_hint_says_what_is_possible() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario("host\n vendor X\n", file="x.san")
    assert caught.value.hint.startswith("possible here: release, time, user")


BOOT_ERRORS = {
    "a disk that is not there": ("now offline sdz\n", "event `offline sdz` at 0s: no such disk: sdz"),
    "a map that is not there": ("now open nosuch\n", "event `open nosuch` at 0s: no such map: nosuch"),
    "a map on a disk that is not there": (
        "map m u\ntable 0 8 multipath 0 0 1 1 round-robin 0 1 1 sdz 1\n",
        "map m: no such disk: sdz",
    ),
    "a table that the kernel refuses": (
        "map m u\ntable 0 8 multipath 0 0 1 1 nosuch 0 1 1 sda 1\n",
        "map m: unknown path selector type 'nosuch': Invalid argument",
    ),
    "a close too many": ("map m u\ntable 0 8 error\nnow close m\n", "event `close m` at 0s: nobody has m open"),
}


@pytest.mark.parametrize("case", BOOT_ERRORS)
def test_what_only_shows_at_boot(case: str) -> None:
    more, message = BOOT_ERRORS[case]
    scenario = parse_scenario(ARRAY + ADAPTER + more, file="x.san")
    with pytest.raises(InputError) as caught:
        boot(scenario)
    assert message in str(caught.value)


def test_an_event_that_fails_later_says_when() -> None:
    host = SandboxHost(parse_scenario("at 30s offline sda\n", file="x.san"))
    with pytest.raises(InputError, match="scenario x: event `offline sda` at 30s: no such disk"):
        host.advance(30)


# ---- shipped ones and files


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios_boot_and_print(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert parse_scenario(format_scenario(scenario), file=f"{name}.san") == scenario
    SandboxHost(scenario).advance(3600)


def test_there_are_the_three_that_the_demo_shows() -> None:
    assert set(shipped_scenarios()) >= {"small", "fabric-down", "unmapped-lun"}


def test_small_is_two_arrays_four_luns_four_paths_each_and_no_map() -> None:
    host = SandboxHost(load_scenario("small"))
    assert len(host.list_directory("/sys/block")) == 4 * 4 + 1
    assert host.kernel.device_mapper.devices == []


def test_fabric_down_has_half_its_paths_offline() -> None:
    host = SandboxHost(load_scenario("fabric-down"))
    states = [host.read_file(f"/sys/block/{name}/device/state") for name in ("sda", "sdb", "sde", "sdf")]
    assert states == [b"running\n", b"running\n", b"transport-offline\n", b"transport-offline\n"]
    assert " F " not in dm.status(host, "data")


def test_unmapped_lun_answers_so() -> None:
    host = SandboxHost(load_scenario("unmapped-lun"))
    disk = host.kernel.disk("sdb")
    assert disk is not None
    sense = decode_sense(disk.execute(bytes(6), timeout=1).sense)
    assert sense is not None
    assert (sense.key, sense.asc, sense.ascq) == (5, 0x25, 0)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(InputError, match="no scenario is called 'nosuch'") as caught:
        load_scenario("nosuch")
    assert "fabric-down, nvme-tcp, small, unmapped-lun" in caught.value.hint


def test_a_scenario_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.san"
    file.write_text(ARRAY + ADAPTER)
    assert load_scenario(str(file)).name == "mine"


@pytest.mark.parametrize("name", ["./nosuch.san", "/"])
def test_a_file_that_can_not_be_read(name: str) -> None:
    with pytest.raises(InputError, match="can't be read as a scenario"):
        load_scenario(name)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "bad.san"
    file.write_bytes(b"\xff\xfe\0")
    with pytest.raises(InputError, match="can't be read as a scenario"):
        load_scenario(str(file))


# ---- words


@pytest.mark.parametrize(
    ("text", "value"), [("20G", 41943040), ("1M", 2048), ("4K", 8), ("2T", 1 << 32), ("7", 7), ("7s", 7)]
)
def test_sizes(text: str, value: int) -> None:
    assert sectors(text) == value


@pytest.mark.parametrize("text", ["", "G", "1.5G", "-1", "1P"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        sectors(text)


@pytest.mark.parametrize(("text", "value"), [("30", 30), ("30s", 30), ("1.5m", 90), ("2h", 7200)])
def test_times(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "soon", "-1s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        seconds(text)


def test_the_shipped_example_names_every_verb() -> None:
    folder = Path(__file__).resolve().parents[2] / "controller/sandbox/scenarios"
    text = (folder / "small.san").read_text()
    assert [verb for verb in VERBS if verb not in text] == []


@given(st.text(alphabet=st.sampled_from('hostarymp \n"#<0123:/'), max_size=80))
def test_any_text_is_a_scenario_or_a_config_error(text: str) -> None:
    try:
        scenario = parse_scenario(text, file="x.san")
    except ConfigError:
        return
    assert parse_scenario(format_scenario(scenario), file="x.san") == scenario


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("host\n udev-delay 0.0000001s\n", id="a very short time"),
        pytest.param("host\n udev-delay 1234567.25s\n", id="a time of many digits"),
        pytest.param("at 1.23456789s offline sda\n", id="an instant of many digits"),
        pytest.param('map m u\n table 0 8 error "a  b" "#" ""\n', id="words of a table in quotes"),
    ],
)
def test_what_was_read_is_written_so_that_it_is_read_the_same(text: str) -> None:
    scenario = parse_scenario(text, file="x.san")
    assert parse_scenario(format_scenario(scenario), file="x.san") == scenario


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"host\n udev-delay {'9' * 400}s\n", id="an infinite time"),
        pytest.param("host\n time 9999-12-31T23:59:59.999999\n", id="a time that is rounded into the year 10000"),
        pytest.param(f"at 1s fail-read sda EIO {'1' * 5000}\n", id="a count of thousands of digits"),
    ],
)
def test_numbers_that_nothing_can_be_done_with_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a"):
        parse_scenario(text, file="x.san")


def test_thousands_of_events_may_name_one_of_thousands_of_units() -> None:
    array = "array a\nvendor V\nproduct P\nrevision 1\nnode n\ngroup 1 active/optimized p\n"
    array += "lun 0-16383 size 1G serial s\n"
    start = time.process_time()
    scenario = parse_scenario(array + "now resize a:16383 2G\n" * 3000, file="x.san")
    assert len(scenario.events) == 3000
    # With all names made anew for each event it takes 6 s.
    assert time.process_time() - start < 2.0
