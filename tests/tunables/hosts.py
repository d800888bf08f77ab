"""A host with two adapters of one kind, each of which sees one port of an array with two logical units."""

from controller.reconcile.plan import Memory
from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import Transport
from controller.sandbox.scenario import parse_scenario

FILES = cycle.Files()

_SAN = """
array plain
    vendor PLAIN
    product DISK
    revision 1
    node 200100a098d0b001
    group 0 active/optimized 200200a098d0b001 200300a098d0b001
    lun 1-2 size 64M naa 500000000000000{n} serial s{n}
adapter 1 KIND 10000090fa53a001
    sees plain 200200a098d0b001
adapter 2 KIND 10000090fa53a002
    sees plain 200300a098d0b001
file /etc/multipath.conf <<END
CONFIG
END
"""

FIRST, SECOND = "35000000000000001", "35000000000000002"
"""The WWIDs of the two units: sda and sdc lead to the first one, sdb and sdd to the second one."""


def host(transport: Transport = Transport.FC, *, defaults: str = "", more: str = "") -> SandboxHost:
    """`defaults`: lines of that section; `more`: sections after it."""
    config = "defaults {\n\tfind_multipaths greedy\n" + "".join(f"\t{line}\n" for line in defaults.split("\n")) + "}\n"
    text = _SAN.replace("KIND", transport).replace("CONFIG", config + more)
    return SandboxHost(parse_scenario(text, file="tunables"))


def decide(host: SandboxHost, memory: Memory | None = None) -> cycle.Decision:
    return cycle.decide(cycle.observe(host, FILES), memory or Memory(), host.monotonic())


def reconcile(host: SandboxHost) -> cycle.Result:
    return cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=lambda _step, _outcome: None)


def text(host: SandboxHost, file: str) -> str:
    return host.read_file(file).decode().strip()
