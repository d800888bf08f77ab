"""What should be on the host: the spine, one line per phase.

In: the configuration, and a snapshot. Out: `Desired`: every map complete, every device's verdict, and the text of the
bindings file when it must change. Pure: a preview is the same call with another text. Must never take what could not be
read for what is not there, nor let one map's trouble reach another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from desired import options
from desired.admission import Blacklist, Candidate, Rules, admit
from desired.assembly import Assembler, Warned
from desired.config import Config, load_config
from desired.identity import Standing, examine, page_names, wwid_of
from desired.model import Admission, ConfigMessage, Desired, DesiredMap, Severity, Verdict
from desired.naming import Bindings, Namer
from desired.observed import Observed, observe, offline, remembered
from desired.precedence import DeviceKind, Layers, global_settings, settings_for
from desired.selection import Platform, uid_attribute
from desired.values import Surroundings
from observers.snapshot import Alias, DeviceName, Hex, Map, Path, Snapshot, Wwid


def derive_snapshot(snapshot: Snapshot, *, resident: bool) -> Desired:
    """`derive` with the configuration whose texts are in the snapshot. `ConfigError` when its main file is unusable."""
    surroundings = Surroundings(native_nvme=snapshot.host.native_nvme_multipath)
    return derive(load_config(snapshot.config_files, surroundings=surroundings), snapshot, resident=resident)


def derive(config: Config, snapshot: Snapshot, *, resident: bool) -> Desired:
    """What should be on the host. `resident`: a daemon watches over the maps, and would end the waiting for paths.

    Without one no map queues when it has no path (unless queue_without_daemon says so), for nobody would end that.
    """
    known = observe(snapshot)
    if known.no_configuration:
        return _untouched(config, snapshot, known)
    candidates = _identify(config, snapshot, known)
    admissions = admit(_rules(config, snapshot, known), candidates)
    paths = _by_wwid(candidates, admissions)
    namer = _namer(config, snapshot, known)
    assembler = Assembler(Platform.of(snapshot.host, watched=resident))
    maps, failures = _build(paths, namer, assembler, known)
    return Desired(
        maps=maps,
        admissions=admissions,
        bindings=_bindings_text(snapshot, known, namer.bindings),
        wwids=remembered(snapshot.wwids.text if snapshot.wwids else None),
        keep=_kept(known, {each.wwid for each in maps}, candidates, admissions) | failures,
        messages=(*config.messages, *_messages(snapshot, namer.bindings, assembler.warned.values(), failures)),
    )
