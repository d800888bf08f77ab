"""What `multipath` is told on its command line, as changes of the configuration: stronger than any file.

In: a `Config`. Out: another one. Pure; must never change the one that it is given.
"""

from dataclasses import replace

from desired import options
from desired.config import Config
from desired.model import Origin, OriginKind, Resolved
from desired.precedence import global_settings
from desired.validity import ignoring_the_file
from desired.values import GroupingPolicy


def with_policy(config: Config, policy: GroupingPolicy) -> Config:
    """Every map's paths are grouped by this policy (`-p`), whatever is configured or could be detected."""
    origin, key = Origin(OriginKind.COMMAND_LINE, why="-p"), options.PATH_GROUPING_POLICY.key
    forced = {key: Resolved(policy, origin), options.DETECT_PGPOLICY.key: Resolved(value=False, origin=origin)}
    entries = {
        wwid: replace(entry, settings={name: value for name, value in entry.settings.items() if name != key})
        for wwid, entry in config.multipaths.items()
    }
    return replace(config, overrides={**config.overrides, **forced}, multipaths=entries, memo={})


def queueing_alone(config: Config) -> Config:
    """Maps may queue I/O though no daemon runs that would end it (`-q`)."""
    allowed = Resolved(value=True, origin=Origin(OriginKind.COMMAND_LINE, why="-q"))
    return replace(config, defaults={**config.defaults, options.QUEUE_WITHOUT_DAEMON.key: allowed}, memo={})


def ignoring_wwids(config: Config) -> Config:
    """A second path to a unit is enough, or none is needed, where the wwids file would have to know it (`-i`)."""
    mode = ignoring_the_file(global_settings(config).require(options.FIND_MULTIPATHS))
    return replace(config, defaults={**config.defaults, options.FIND_MULTIPATHS.key: mode}, memo={})
