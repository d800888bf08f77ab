"""Pages of an array's own, as a scenario gives them, and reads of the medium."""

import errno

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from controller.sandbox.scenario_text import format_scenario
from observers.errors import ConfigError
from observers.host import ScsiReply
from observers.kernel.scsi import decode_sense, inquiry_page, read_first_block
from observers.snapshot import DeviceName

ARRAY = """array a
    vendor IBM
    product 1815
    revision 1.0
    node 200100a098d0b001
    group 1 active/optimized p1
    group 2 active/optimized p2
    lun 0 size 1G naa 60014051ab0000000004000800000000
"""
ADAPTER = """adapter 0 fc q
    sees a p1 p2
"""


def host(*pages: str) -> SandboxHost:
    text = ARRAY + "".join(f"    {page}\n" for page in pages) + ADAPTER
    return SandboxHost(parse_scenario(text, file="x.san"))


def page(sandbox: SandboxHost, name: str, number: int) -> ScsiReply:
    return sandbox.scsi_inquire(DeviceName(name), inquiry_page(number), reply_length=4096, timeout=30)


def test_page_is_answered_and_listed() -> None:
    sandbox = host("page c9 00c9000461626364")
    assert page(sandbox, "sda", 0xC9).data == bytes.fromhex("00c9000461626364")
    assert page(sandbox, "sda", 0x00).data == bytes.fromhex("00000004008083c9")


def test_page_of_a_group_is_answered_by_its_ports_only() -> None:
    sandbox = host("page c9 00c9000161", "page c9 group 2 00c9000162")
    assert [page(sandbox, name, 0xC9).data[4:] for name in ("sda", "sdb")] == [b"a", b"b"]


def test_page_that_the_array_does_not_have_is_refused() -> None:
    sense = decode_sense(page(host(), "sda", 0xC9).sense)
    assert sense is not None
    assert (sense.key, sense.asc) == (5, 0x24)


def test_scenario_with_pages_is_printed_as_it_was_read() -> None:
    scenario = parse_scenario(ARRAY + "    page c9 00c9000161\n    page c0 group 2 00c00000\n" + ADAPTER, file="x.san")
    assert parse_scenario(format_scenario(scenario), file="x.san") == scenario


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("page 83 0083", "'83' is not a page's number"),
        ("page zz 00", "'zz' is not a page's number"),
        ("page c9 0g", "'0g' is not bytes"),
        ("page c9 group 7 00", "has no group 7"),
        ("page c9 00\n    page c9 01", "page c9 is there already"),
    ],
)
def test_line_that_is_no_page(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        host(line)


# ---- reads


def test_first_block_is_read_by_scsi_and_past_the_caches() -> None:
    sandbox, name = host(), DeviceName("sda")
    assert sandbox.scsi_inquire(name, read_first_block(), reply_length=4096, timeout=30).data == bytes(512)
    assert sandbox.direct_read(name, length=0, timeout=30).data == bytes(512)
    assert sandbox.direct_read(name, length=4096, timeout=30).data == bytes(4096)


def test_read_that_nobody_answers_takes_its_timeout() -> None:
    sandbox = host()
    sandbox.happen("link", "silent", "sda")
    before = sandbox.monotonic()
    with pytest.raises(OSError, match="sda") as caught:
        sandbox.direct_read(DeviceName("sda"), length=0, timeout=5)
    assert caught.value.errno == errno.ETIMEDOUT
    assert sandbox.monotonic() == before + 5


def test_read_of_a_path_that_is_cut_off_fails() -> None:
    sandbox = host()
    sandbox.happen("link", "no-connect", "sda")
    with pytest.raises(OSError, match="sda") as caught:
        sandbox.direct_read(DeviceName("sda"), length=0, timeout=5)
    assert caught.value.errno == errno.EIO


def test_disk_of_scsi_knows_neither_nvme_nor_cciss() -> None:
    sandbox, name = host(), DeviceName("sda")
    for call in (
        lambda: sandbox.nvme_inquire(name, 0x06, namespace=0, words=(0,) * 6, reply_length=64, timeout=1),
        lambda: sandbox.cciss_ready(name, timeout=1),
    ):
        with pytest.raises(OSError, match="sda") as caught:
            call()
        assert caught.value.errno == errno.ENOTTY
