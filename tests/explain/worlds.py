"""Small hosts with a configuration, and what can be asked about them."""

from dataclasses import replace
from typing import Any

from desired.config import load_config
from desired.derive import derive
from desired.evidence import Evidence, gather
from desired.values import Surroundings
from observers.snapshot import Alua, Path, Snapshot, TextFile, Wwid
from tests.builders import CONFIG_FILE, HARDWARE, HOST, scsi_path, unit_wwid

A, B = unit_wwid(1), unit_wwid(2)
DROP_IN = "/etc/multipath/conf.d/10-more.conf"


def host(*paths: Path, config: str = "", drop_in: str = "", **more: Any) -> Snapshot:
    """A host whose only configuration is this text; unless it says otherwise every device becomes a path."""
    first = "defaults {\nfind_multipaths greedy\n}\n" if "find_multipaths" not in config else ""
    files = (TextFile(CONFIG_FILE, config + first), *((TextFile(DROP_IN, drop_in),) if drop_in else ()))
    return replace(Snapshot(taken_at=0.0, host=HOST, config_files=files, paths=paths), **more)


def evidence_of(snapshot: Snapshot, *, resident: bool = True) -> Evidence:
    """What there is to ask about a host."""
    surroundings = Surroundings(native_nvme=snapshot.host.native_nvme_multipath)
    config = load_config(snapshot.config_files, main=snapshot.main_config, surroundings=surroundings)
    return gather(config, snapshot, derive(config, snapshot, resident=resident), resident=resident)


def plain(number: int, wwid: Wwid = A, **more: Any) -> Path:
    """A disk of no array that the table knows, without asymmetric access."""
    return replace(scsi_path(number, wwid, alua=Alua(tpgs=0)), **more)


def netapp(number: int, wwid: Wwid = A, **more: Any) -> Path:
    """A disk of an array of the built-in table, with asymmetric access."""
    alua = Alua(tpgs=1, group=1, access_state="active/optimized", handler="alua")
    return replace(scsi_path(number, wwid, hardware=HARDWARE[0], alua=alua), **more)


def line_of(text: str, words: str) -> int:
    """The number of the line that has these words."""
    return next(number for number, line in enumerate(text.split("\n"), 1) if words in line)
