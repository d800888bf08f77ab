"""Which map a device is part of is looked up in the maps that there are, not in those of the last configuration."""

from desired.config import load_config
from desired.derive import surroundings_in
from observers import config_files
from observers.snapshot import DeviceName, Wwid, map_uuid
from tests.service.instant import Heart

CONFIG = "/etc/multipath.conf"
OTHER = "3600a098038304479363f4c4934526b01"


def configured(heart: Heart) -> None:
    """The configuration is read again."""
    texts = config_files.observe(heart.host, config_files.Places())
    snapshot = heart.world.snapshot(lambda path: path)
    loaded = load_config(texts.configuration, surroundings=surroundings_in(snapshot))
    heart.reconciler.configure(loaded, texts, now=heart.host.monotonic())


def blacklisting(*lines: str) -> Heart:
    heart = Heart("small")
    text = heart.host.read_file(CONFIG).decode() + "blacklist {\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"
    heart.host.replace_file(CONFIG, text.encode(), mode=0o644)
    configured(heart)
    heart.run(30)
    return heart


def asked(heart: Heart, name: str) -> int:
    return sum(each == name for each, _ in heart.engine.asked)


def test_a_blacklisted_disk_that_gets_the_number_of_a_path_that_is_gone_is_sent_no_command() -> None:
    heart = blacklisting(f"wwid {OTHER}")
    assert asked(heart, "sdb") > 0
    assert asked(heart, "sdc") == 0
    configured(heart)
    heart.settle()
    heart.host.happen("unmap", "ontap:0")
    heart.host.happen("delete", "sdb", "sdc")
    heart.reconciler.look_at_everything()
    heart.settle()
    heart.host.happen("scan", "1")
    heart.host.advance(5)
    heart.engine.asked.clear()
    heart.reconciler.look_at_everything()
    heart.run(60)
    path = heart.world.path(DeviceName("sdb"))
    assert path is not None
    assert (path.dev, heart.decider.wwid_of(path.name)) == ("8:16", OTHER)
    assert asked(heart, "sdb") == 0
    assert asked(heart, "sdd") > 0


def test_a_disk_that_is_blacklisted_no_more_is_asked_and_gets_its_map() -> None:
    heart = blacklisting(f"wwid {OTHER}")
    assert asked(heart, "sdc") == 0
    text = heart.host.read_file(CONFIG).decode().replace(OTHER, "no-such-unit")
    heart.host.replace_file(CONFIG, text.encode(), mode=0o644)
    configured(heart)
    heart.run(3)
    assert asked(heart, "sdc") > 0
    assert map_uuid(Wwid(OTHER)) in heart.world.maps
