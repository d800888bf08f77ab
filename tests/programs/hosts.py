"""Sandbox hosts for the programs' tests, and a way to run `multipath` on them."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from controller.cli import multipath_create, multipath_flush, multipath_list, multipath_usable, multipath_wwids
from controller.cli.multipath_arguments import Job, kind_of, read
from controller.cli.multipath_program import Subject
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario

SAN = """\
array ontap
    vendor NETAPP
    product "LUN C-Mode"
    revision 9161
    node 200100a098d0b001
    tpgs implicit
    group 1000 active/optimized 200200a098d0b001 200300a098d0b001
    lun 0 size 20G naa 600a098038304479363f4c4934526b00 serial 80Dy6
    lun 1 size 8G naa 600a098038304479363f4c4934526b01 serial 80Dy7
adapter 1 fc 10000090fa53a001
    sees ontap 200200a098d0b001
adapter 2 fc 10000090fa53a002
    sees ontap 200300a098d0b001
"""
DATA, LOGS = "3600a098038304479363f4c4934526b00", "3600a098038304479363f4c4934526b01"
CONFIG = f"""\
defaults {{
\tfind_multipaths off
}}
overrides {{
\tno_path_retry fail
\tdev_loss_tmo 60
}}
multipaths {{
\tmultipath {{
\t\twwid {DATA}
\t\talias data
\t}}
}}
"""


def file(path: str, text: str) -> str:
    return f"file {path} <<END\n{text}END\n"


def san(more: str = "", *, config: str = CONFIG) -> SandboxHost:
    """Two LUNs with two paths each: sda and sdb by the first adapter, sdc and sdd by the second."""
    return SandboxHost(parse_scenario(SAN + file("/etc/multipath.conf", config) + more, file="programs.san"))


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    out: str
    err: str


_RUN = {
    Job.CREATE: multipath_create.create,
    Job.DRY_RUN: multipath_create.create,
    Job.FLUSH: multipath_flush.flush,
    Job.FLUSH_ALL: multipath_flush.flush,
    Job.LIST: multipath_list.show,
    Job.LIST_ALL: multipath_list.show,
    Job.HAS_PATHS: multipath_usable.answer,
    Job.ADD_WWID: multipath_wwids.change,
    Job.REMOVE_WWID: multipath_wwids.change,
    Job.RESET_WWIDS: multipath_wwids.change,
}


def multipath(host: SandboxHost, *arguments: str, node: str = "") -> Said:
    """`multipath` on a sandbox. `node`: the kernel's name of the device whose node is given."""
    invocation = read(arguments)
    kind = kind_of(invocation.device, node=node or None) if invocation.device else None
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        status = _RUN[invocation.job](host, Subject(invocation, kind, node))
    return Said(status, *(_text(stream) for stream in (out, err)))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@pytest.fixture
def host() -> SandboxHost:
    return san()
