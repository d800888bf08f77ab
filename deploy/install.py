"""`make install`: the application in a directory of its own, and what the system needs to know of it around that.

In: DESTDIR, PREFIX, the interpreter that is to run it, and where udev's rules have their place. Out: files below
DESTDIR. The application's packages have
plain names (`controller`, `desired` ...), so they never go where other applications look: everything that Python loads
is in PREFIX/lib/mpathctl/lib, and the launchers in PREFIX/lib/mpathctl/bin search only there and in the standard
library. The programs in PREFIX/sbin are links to the launchers, so the processes have their names.

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
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from deploy.completion import generate as completion
from deploy.man import generate as manual

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PACKAGES = ("controller", "desired", "observers", "actuators")
_COMPILED = shutil.ignore_patterns("__pycache__")
PROGRAMS = {
    "mpathctl": ("controller.cli.main", "mpathctl"),
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
    """Where things go: `at` turns a place on the system into one below DESTDIR."""

    destdir: Path
    prefix: Path
    python: str
    rules: str = "upstream"
    """A key of RULE_NAMES."""

    def at(self, *parts: str) -> Path:
        """A place below the prefix, made if absent but for its last part."""
        place = self.destdir / self.prefix.relative_to("/") / Path(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def sbin(self) -> str:
        """The directory of the programs, as the system sees it."""
        return str(self.prefix / "sbin")


def install(layout: Layout) -> None:
    """Everything."""
    _application(layout)
    for name in PROGRAMS:
        _program(layout, name)
    for source, target in FILES:
        *folders, name = target.split("/")
        _filled(layout, DEPLOY / source, layout.at(*folders, RULE_NAMES[layout.rules].get(name, name)))
    manual.write(layout.at("share", "man", "x").parent)
    _copied(DEPLOY / "man/mpathctl.8", layout.at("share", "man", "man8", "mpathctl.8"))
    completion.write(layout.at("share", "x").parent)


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


def _application(layout: Layout) -> None:
    """The packages and their dependencies, compiled. What an earlier installation left is removed first."""
    lib = layout.at("lib", "mpathctl", "lib")
    shutil.rmtree(lib, ignore_errors=True)
    lib.mkdir()
    for package in PACKAGES:
        shutil.copytree(ROOT / package, lib / package, ignore=_COMPILED)
    for distribution in dependencies(metadata.distribution("mpathctl")):
        _copy(distribution, lib)
    # Hashes that nobody checks: a start then needs no look at the sources, and packing may change their times.
    compiled = compileall.compile_dir(
        lib, quiet=1, stripdir=str(layout.destdir), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
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
            shutil.copy(str(file.locate()), lib / file)


def _program(layout: Layout, name: str) -> None:
    """A launcher, and the link to it."""
    module, function = PROGRAMS[name]
    text = (DEPLOY / "launcher.in").read_text()
    for field, value in (("PYTHON", layout.python), ("NAME", name), ("MODULE", module), ("FUNCTION", function)):
        text = text.replace(f"@{field}@", value)
    launcher = layout.at("lib", "mpathctl", "bin", name)
    launcher.write_text(text)
    launcher.chmod(0o755)
    link = layout.at("sbin", name)
    link.unlink(missing_ok=True)
    link.symlink_to(f"../lib/mpathctl/bin/{name}")


def _filled(layout: Layout, source: Path, target: Path) -> None:
    target.write_text(source.read_text().replace("@SBINDIR@", layout.sbin))
    target.chmod(0o644)


def _copied(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())
    target.chmod(0o644)


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
    os.umask(0o022)
    install(Layout(Path(options.destdir or "/").absolute(), Path(options.prefix), options.python, options.rules))


if __name__ == "__main__":
    main()
