"""A configuration that changes on disk: told with what it would do, and in force only when somebody says so."""

import errno

import pytest

from controller.runtime.config_news import ConfigNews
from controller.runtime.events import Event, Level
from tests.service.virtual import FILES, Virtual

MAIN = FILES.config


class Ear:
    """Stands for the watch over the files."""

    def __init__(self) -> None:
        self.changed = False
        self.troubles: list[str] = []

    def fileno(self) -> int:
        return -1

    def ready(self) -> bool:
        return self.changed

    def read(self) -> list[str]:
        self.changed = False
        troubles, self.troubles = self.troubles, []
        return troubles


class Watched:
    """A daemon that hears of changes."""

    def __init__(self, *, apply: bool = False) -> None:
        self.daemon = Virtual("small")
        self.ear = Ear()
        ConfigNews(self.daemon.service, self.daemon.host, FILES, apply=apply).listen(self.ear)
        self.daemon.settled()
        self.daemon.live(30)
        self.text = self.daemon.host.read_file(MAIN).decode()

    def write(self, text: str, file: str = MAIN) -> list[Event]:
        """Change a file; what is told of the configuration then."""
        before = len(self.daemon.events)
        self.daemon.host.kernel.replace_file(file, text.encode(), mode=0o644)
        self.ear.changed = True
        self.daemon.live(3)
        self.daemon.settled()
        return [event for event in self.daemon.events[before:] if event.kind == "configuration"]

    def policy(self) -> str:
        wanted = self.daemon.service.decider.wanted
        return next(each.properties["path_selector"].value for each in wanted.values() if each.alias.value == "data")


@pytest.fixture
def watched() -> Watched:
    return Watched()


BROKEN = 'blacklist {\n  devnode "("\n}\n'


def other(text: str) -> str:
    """The configuration with a change that one map at least does not overrule."""
    return text + '\noverrides {\n  path_selector "round-robin 0"\n}\n'


def test_a_change_is_told_with_the_maps_and_reasons_and_changes_nothing(watched: Watched) -> None:
    before = dict(watched.daemon.host.writes)
    told = watched.write(other(watched.text))
    assert told[0].text.startswith("configuration changed on disk: 4 maps would change: ")
    assert "`reconfigure`" in told[0].reason
    of_data = next(event for event in told if event.map == "data")
    assert "path_selector" in of_data.reason
    assert "round-robin 0" in of_data.reason
    assert dict(watched.daemon.host.writes) == before
    assert "round-robin" not in watched.policy()


def test_it_is_in_force_after_a_reconfigure(watched: Watched) -> None:
    watched.write(other(watched.text))
    assert watched.daemon.ask("reconfigure") == "ok\n"
    watched.daemon.settled()
    watched.daemon.until(lambda: "round-robin" in watched.policy())


def test_a_broken_text_is_told_with_its_place_and_a_hint(watched: Watched) -> None:
    told = watched.write(BROKEN)
    assert [event.level for event in told] == [Level.WARNING]
    assert f"{MAIN}:2" in told[0].text
    assert "correct the line" in told[0].reason


def test_a_text_that_changes_nothing_says_so(watched: Watched) -> None:
    (told,) = watched.write(watched.text + "\n# nothing\n")
    assert told.text == "configuration changed on disk: no map would change"


def test_the_same_text_is_told_once(watched: Watched) -> None:
    text = other(watched.text)
    assert watched.write(text)
    assert watched.write(text) == []


def test_a_change_that_is_taken_back_is_told(watched: Watched) -> None:
    watched.write(other(watched.text))
    (told,) = watched.write(watched.text)
    assert "in force again" in told.text


def test_a_touched_file_is_no_news(watched: Watched) -> None:
    assert watched.write(watched.text) == []


def test_a_new_drop_in_counts(watched: Watched) -> None:
    told = watched.write(other(""), f"{FILES.config_dir}/z.conf")
    assert "4 maps would change" in told[0].text


def test_a_file_that_can_not_be_read_does_not_end_the_news(watched: Watched) -> None:
    watched.daemon.host.faults.fail_read(MAIN, errno.EIO, count=1)
    (told,) = watched.write(other(watched.text))
    assert told.level is Level.WARNING
    assert "Input/output error" in told.text
    assert "4 maps would change" in watched.write(other(watched.text))[0].text


def test_a_configuration_that_could_not_be_read_once_does_not_stop_the_maps(watched: Watched) -> None:
    watched.daemon.host.faults.fail_read(MAIN, errno.EIO, count=1)
    watched.write(watched.text)
    watched.daemon.host.happen("delete", "sdb")
    watched.daemon.until(lambda: len(watched.daemon.active("data")) == 3)


def test_changes_while_it_is_being_read_are_not_missed(watched: Watched) -> None:
    host = watched.daemon.host
    host.kernel.replace_file(MAIN, b"# first\n", mode=0o644)
    watched.ear.changed = True
    watched.daemon.service.loop.round(longest=0.0)
    host.kernel.replace_file(MAIN, other(watched.text).encode(), mode=0o644)
    watched.ear.changed = True
    watched.daemon.live(3)
    assert any("4 maps would change" in event.text for event in watched.daemon.events)


def test_with_apply_a_change_is_put_in_force_at_once() -> None:
    watched = Watched(apply=True)
    told = watched.write(other(watched.text))
    assert [event.text for event in told][-1] == "read again and in force"
    assert "round-robin" in watched.policy()


def test_with_apply_a_broken_text_is_not_put_in_force() -> None:
    watched = Watched(apply=True)
    before = watched.daemon.service.decider.config
    watched.write(BROKEN)
    assert watched.daemon.service.decider.config is before


def test_a_wwid_that_multipath_adds_is_taken_over_at_once(watched: Watched) -> None:
    file = f"{FILES.state_dir}/wwids"
    text = watched.daemon.host.read_file(file).decode()
    assert watched.write(text + "/3600508b400105e210000900000490000/\n", file) == []
    wwids = watched.daemon.service.world.snapshot(lambda path: path).wwids
    assert wwids is not None
    assert "/3600508b400105e210000900000490000/" in wwids.text


def test_an_alias_that_somebody_else_binds_is_used(watched: Watched) -> None:
    file = f"{FILES.state_dir}/bindings"
    text = watched.daemon.host.read_file(file).decode()
    assert "mpatha " in text
    watched.write(text.replace("mpatha ", "mpathz "), file)
    watched.daemon.until(lambda: watched.daemon.map("mpathz") is not None)


def test_trouble_of_the_watch_is_told(watched: Watched) -> None:
    watched.ear.troubles = ["OSError: no room"]
    watched.ear.changed = True
    watched.daemon.live(1)
    assert any("changes of the configuration can't be seen: OSError" in event.text for event in watched.daemon.events)
