"""`make install`: the application in a directory of its own, and what the system needs to know of it around that.

In: DESTDIR, PREFIX, the interpreter that is to run it, and where udev's rules have their place. Out: files below
DESTDIR. The application's packages have
plain names (`controller`, `desired` ...), so they never go where other applications look: everything that Python loads
is in PREFIX/lib/mpathctl/lib, and the launchers in PREFIX/lib/mpathctl/bin search only there and in the standard
library. The programs in PREFIX/sbin are links to the launchers, so the processes have their names.

All of it is built in a directory aside. `deploy.record` puts it in its place, with modes that do not depend on those of
the checkout, and remembers what it put where.

It is run in the environment that `make venv` makes, and copies the dependencies from there, so it needs no network. The
interpreter that will run the programs must be of the same version: compiled parts of the dependencies fit no other.
"""

import argparse
import compileall
import os
import py_compile
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from deploy import record
from deploy.completion import generate as completion
from deploy.man import generate as manual

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PACKAGES = ("controller", "desired", "observers", "actuators")
_COMPILED = shutil.ignore_patterns("__pycache__")
PROGRAMS = {
    "mpathctl": ("controller.cli.launch", "mpathctl"),
    "multipathd": ("controller.cli.launch", "multipathd"),
    "multipath": ("controller.cli.launch", "multipath"),
    "multipathc": ("controller.cli.launch", "multipathc"),
}
"""Each program's module and function."""

RULE_NAMES: Mapping[str, Mapping[str, str]] = {
    "upstream": {},
    "debian": {"11-dm-mpath.rules": "56-dm-mpath.rules", "56-multipath.rules": "60-multipath.rules"},
}
"""What a distribution calls its files of rules, where they have other names. udev reads files in the order of their
names, and rules for maps mean nothing before device-mapper's own, which are in 10-dm.rules; Debian has 55-dm.rules.
"""
_DEBIAN = "/etc/debian_version"
"""There on Debian and what is made of it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is installed where. `python`: the interpreter, as the system sees it. `rules`: a key of RULE_NAMES."""

    destdir: Path
    prefix: Path
    python: str
    rules: str = "upstream"

    @property
    def root(self) -> record.Root:
        """Where it goes."""
        return record.Root(destdir=self.destdir, prefix=self.prefix)


@dataclass(frozen=True, slots=True)
class _Building:
    """The directory aside: `at` is a place in it, which stands for one below the prefix."""

    layout: Layout
    top: Path

    def at(self, place: str) -> Path:
        """A place, made if absent but for its last part."""
        path = self.top / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def install(layout: Layout) -> tuple[str, ...]:
    """Everything. Returns what an earlier installation left that somebody has changed since: it stays."""
    with tempfile.TemporaryDirectory(prefix="mpathctl-install.") as top:
        building = _Building(layout, Path(top))
        _build(building)
        stays = record.place(building.top, layout.root)
    _remove_rules_of_other_names(layout)
    return stays


def _build(building: _Building) -> None:
    _application(building)
    for name in PROGRAMS:
        _program(building, name)
    for source, target in FILES:
        _filled(building, DEPLOY / source, building.at(_named(target, building.layout.rules)))
    manual.write(building.at("share/man/x").parent)
    shutil.copyfile(DEPLOY / "man/mpathctl.8", building.at("share/man/man8/mpathctl.8"))
    completion.write(building.at("share/x").parent)


def _named(target: str, rules: str) -> str:
    """A place with the name that the file has in that distribution."""
    folder, _, name = target.rpartition("/")
    return f"{folder}/{RULE_NAMES[rules].get(name, name)}"


def _remove_rules_of_other_names(layout: Layout) -> None:
    """Rules under two names would run twice for each event. An installation that kept no record may have left some:
    they are known by how they begin."""
    wanted = {_named(target, layout.rules) for _, target in FILES}
    for source, target in FILES:
        for name in {_named(target, rules) for rules in RULE_NAMES} - wanted:
            path, first = layout.root.top / name, (DEPLOY / source).read_text().partition("\n")[0]
            if path.is_file() and path.read_text(errors="replace").partition("\n")[0] == first:
                path.unlink()


FILES = (
    ("systemd/mpathctl.service.in", "lib/systemd/system/mpathctl.service"),
    ("systemd/mpathctl-queueing.service.in", "lib/systemd/system/mpathctl-queueing.service"),
    ("systemd/mpathctl.socket", "lib/systemd/system/mpathctl.socket"),
    ("systemd/tmpfiles.conf", "lib/tmpfiles.d/mpathctl.conf"),
    ("systemd/modules-load.conf", "lib/modules-load.d/mpathctl.conf"),
    ("udev/11-dm-mpath.rules.in", "lib/udev/rules.d/11-dm-mpath.rules"),
    ("udev/56-multipath.rules.in", "lib/udev/rules.d/56-multipath.rules"),
    ("udev/99-z-dm-mpath-late.rules", "lib/udev/rules.d/99-z-dm-mpath-late.rules"),
)
"""Files with the places that they know filled in."""


def _application(building: _Building) -> None:
    """The packages and their dependencies, compiled."""
    lib = building.at(f"{record.APPLICATION}/lib")
    lib.mkdir()
    for package in PACKAGES:
        shutil.copytree(ROOT / package, lib / package, ignore=_COMPILED)
    for distribution in dependencies(metadata.distribution("mpathctl")):
        _copy(distribution, lib)
    # Hashes that nobody checks: a start then needs no look at the sources, and packing may change their times.
    compiled = compileall.compile_dir(
        lib,
        quiet=1,
        stripdir=str(building.top),
        prependdir=str(building.layout.prefix),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit("install: not everything could be compiled")


def dependencies(distribution: metadata.Distribution) -> list[metadata.Distribution]:
    """What a distribution needs, and what that needs, as it is in this environment: the versions that were tested.

    A requirement that is not there is one for other systems or interpreters, or of an extra that nobody wanted.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = [distribution]
    while waiting:
        for requirement in waiting.pop().requires or ():
            name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
            if "extra ==" in requirement or name in found:
                continue
            try:
                found[name] = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue
            waiting.append(found[name])
    return list(found.values())


def _copy(distribution: metadata.Distribution, lib: Path) -> None:
    """The files of a distribution but for its programs, which search everywhere, and what is compiled."""
    for file in distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (lib / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), lib / file)


def _program(building: _Building, name: str) -> None:
    """A launcher, and the link to it."""
    module, function = PROGRAMS[name]
    text = (DEPLOY / "launcher.in").read_text()
    for field, value in (
        ("PYTHON", building.layout.python),
        ("NAME", name),
        ("MODULE", module),
        ("FUNCTION", function),
    ):
        text = text.replace(f"@{field}@", value)
    building.at(f"{record.APPLICATION}/bin/{name}").write_text(text)
    building.at(f"sbin/{name}").symlink_to(f"../{record.APPLICATION}/bin/{name}")


def _filled(building: _Building, source: Path, target: Path) -> None:
    target.write_text(source.read_text().replace("@SBINDIR@", str(building.layout.prefix / "sbin")))


def base_python() -> str:
    """The interpreter that this environment is made of."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def own_rules() -> str:
    """The key of RULE_NAMES for this system."""
    return "debian" if os.path.exists(_DEBIAN) else "upstream"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Install mpathctl.")
    parser.add_argument("--destdir", default="/", help="a directory that stands for the root (for packages)")
    parser.add_argument("--prefix", default="/usr", help="default: %(default)s")
    parser.add_argument("--python", default=base_python(), help="the interpreter; default: %(default)s")
    parser.add_argument(
        "--rules", choices=sorted(RULE_NAMES), default=own_rules(), help="whose names the rules have; here: %(default)s"
    )
    options = parser.parse_args()
    where = record.root(options.destdir, options.prefix)
    try:
        stays = install(Layout(where.destdir, where.prefix, options.python, options.rules))
    except OSError as error:
        raise SystemExit(f"install: {error.filename}: {error.strerror}") from error
    for path in stays:
        print(f"install: {path} is not wanted any more, but was changed since it was installed, and stays")


if __name__ == "__main__":
    main()
