"""Makes what the test machine boots: Debian kernels, their modules, an initramfs and a small Debian root disk.

In: a Debian 12 host with its apt sources, as root. Out: an `Images` in a cache directory, named by a hash of this
recipe, so that a changed recipe makes new ones and an unchanged one is done at once. Must never change anything of the
host but that cache and, as root, the packages in `HOST_PACKAGES` that are not installed.
"""

import argparse
import fcntl
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.vm.errors import VmUnavailable

HERE = Path(__file__).resolve().parent
INITRAMFS_INIT = HERE / "guest" / "initramfs-init"

HOST_PACKAGES = (
    "qemu-system-x86",
    "debootstrap",
    "busybox-static",
    "cpio",
    "kmod",
    "zstd",
    "e2fsprogs",
    "util-linux",
    "debian-archive-keyring",
    "zsh",
)
"""What the host needs to make the images and to boot them; and zsh, whose completion is tested on the host."""

GUEST_PACKAGES = (
    "udev",
    "kmod",
    "python3",
    "sg3-utils",
    "sg3-utils-udev",
    "multipath-tools",
    "kpartx",
    "dmsetup",
    "fio",
    "procps",
    "strace",
    "open-iscsi",
    "mdadm",
    "iproute2",
    "systemd",
)
"""What the guest has beside Debian's minimum. Debian 12's multipath-tools is 0.9.4, the one that we compare with."""

KERNELS = {
    "6.1": r"linux-image-6\.1\.0-\d+-amd64",
    "6.12": r"linux-image-6\.12\.\d+\+deb12-amd64",
}
"""The kernels, by the names of Debian's packages; the newest that apt knows is taken. The first one is needed."""

BOOT_MODULES = ("crc32c_generic", "virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay", "9pnet_virtio", "9p")
"""What the initramfs loads, in this order. ext4 asks for crc32c only at run time, so it is named."""

GUEST_MODULES = (
    *("dm_mod", "dm_multipath", "dm_service_time", "dm_round_robin", "dm_queue_length", "dm_historical_service_time"),
    *("dm_flakey", "dm_delay", "scsi_mod", "sd_mod", "sg", "scsi_debug", "scsi_dh_alua", "scsi_dh_rdac", "scsi_dh_emc"),
    *("scsi_dh_hp_sw", "configfs", "target_core_mod", "target_core_file", "target_core_iblock", "target_core_pscsi"),
    *("tcm_loop", "iscsi_target_mod", "iscsi_tcp", "crct10dif_generic", "loop", "null_blk", "virtio_rng"),
    *("fcoe", "tcm_fc", "veth"),
    *("md_mod", "multipath", "raid1"),
    *("nvme_core", "nvme_fabrics", "nvme_tcp", "nvme_loop", "nvmet", "nvmet_tcp", "brd"),
)
"""What a rig may load; a kernel that has one of them not at all is no error."""

SECTOR = 512
IMAGE_SLACK_PERCENT = 15
"""File system overhead over the sum of the files' sizes."""
IMAGE_SLACK_MIB = 64

KEPT_DAYS = 14
"""Images of other recipes (another checkout's, an older one's) go when nobody has used them for so long."""


@dataclass(frozen=True, slots=True)
class Images:
    """The directory that holds `root.img` and, for each kernel, `vmlinux-VERSION` and `initrd-VERSION`."""

    directory: Path

    @property
    def root(self) -> Path:
        """The root disk: ext4, never written to."""
        return self.directory / "root.img"

    def kernel(self, version: str) -> Path:
        """The uncompressed kernel: qemu starts it without emulating the decompression."""
        return self.directory / f"vmlinux-{version}"

    def initrd(self, version: str) -> Path:
        """The initramfs with that kernel's modules for disk, console and 9p."""
        return self.directory / f"initrd-{version}"

    def has(self, version: str) -> bool:
        """Whether Debian offered this kernel when the images were made."""
        return self.kernel(version).exists()


def cache_directory() -> Path:
    """Where images are kept: $MPATHCTL_VM_CACHE, else a directory of ours under ~/.cache."""
    return Path(os.environ.get("MPATHCTL_VM_CACHE") or Path.home() / ".cache" / "mpathctl-vm")


def recipe_hash() -> str:
    """Names the recipe: this file and what it puts into the initramfs."""
    recipe = Path(__file__).read_bytes() + INITRAMFS_INIT.read_bytes()
    return hashlib.sha256(recipe).hexdigest()[:12]


def made() -> Images | None:
    """The images of this very recipe, if they are there."""
    directory = cache_directory() / recipe_hash()
    if not directory.is_dir():
        return None
    with suppress(OSError):  # it may belong to another user
        os.utime(directory)
    return Images(directory)


def make() -> Images:
    """The images, made first where they are not there (1.5 to 3 minutes on 2 cores). VmUnavailable: says why not."""
    require_host_packages()
    return made() or _make_locked()


def _make_locked() -> Images:
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        return made() or _build(cache)


def _build(cache: Path) -> Images:
    if os.geteuid() != 0:
        raise VmUnavailable(
            "the images of the test machine are not made and making them needs root: sudo make vm-images"
        )
    for directory in cache.iterdir():
        if directory.name.startswith("making-") or (directory.is_dir() and _days_unused(directory) > KEPT_DAYS):
            _remove_tree(directory)
    work = cache / f"making-{recipe_hash()}"
    work.mkdir()
    _update_lists()
    _make_into(work)
    return Images(work.rename(cache / recipe_hash()))


def _days_unused(directory: Path) -> float:
    return (time.time() - directory.stat().st_mtime) / 86400


def _remove_tree(tree: Path) -> None:
    """Remove what an interrupted run left. debootstrap may have left its /proc mounted, which must not be entered."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mounted = Path(line.split()[4])
        if mounted.is_relative_to(tree):
            _run("umount", "--lazy", str(mounted))
    shutil.rmtree(tree)


def _make_into(work: Path) -> None:
    """Everything, in a directory that gets its final name only when all is there."""
    scratch, images = work / "scratch", Images(work)
    root = scratch / "root"
    scratch.mkdir()
    _say("debootstrap: the guest's Debian")
    _debootstrap(root)
    for version, pattern in KERNELS.items():
        package = _newest_package(pattern)
        if package is None:
            _without_kernel(version)
            continue
        _say(f"kernel {version}: {package}")
        _add_kernel(_unpacked_kernel(package, scratch), images, version=version, root=root)
    _say("the root disk")
    _finish_root(root)
    _ext4_image(root, images.root)
    shutil.rmtree(scratch)


def _without_kernel(version: str) -> None:
    if version == next(iter(KERNELS)):
        raise VmUnavailable(f"apt knows no {version} kernel here: the test machine needs Debian 12's package sources")
    _say(f"kernel {version}: Debian offers none here; its tests will be skipped")


def require_host_packages() -> None:
    """Install what is missing, as root; otherwise say exactly what it is."""
    missing = [package for package in HOST_PACKAGES if not _installed(package)]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise VmUnavailable(f"Debian packages are missing: {' '.join(missing)}; run: sudo {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _say(f"installing {' '.join(missing)}")
    _update_lists()
    _run(*command, "-q", environment=environment)


def _update_lists() -> None:
    """Fetch apt's lists. One source that does not answer is no error: what is really missing, a later step says."""
    try:
        _run("apt-get", "update", "-q")
    except VmUnavailable as error:
        _say(str(error))


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${Status}", package]
    try:
        return "ok installed" in subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise VmUnavailable(
            "this is no Debian (there is no dpkg-query): the test machine is made on Debian 12"
        ) from None


def _debootstrap(root: Path) -> None:
    _run(
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(GUEST_PACKAGES)}",
        "bookworm",
        str(root),
        _debian_mirror(),
    )


def _debian_mirror() -> str:
    """The archive that this host's apt takes Debian 12 from, so that a local mirror is used where there is one."""
    fields = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    for line in _output("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines():
        origin, codename, component, address = line.split("|")
        if (origin, codename, component) == ("Debian", "bookworm", "main"):
            return address
    return "http://deb.debian.org/debian"


def _newest_package(pattern: str) -> str | None:
    """The package of the highest version whose whole name matches."""
    names = _output("apt-cache", "pkgnames", "linux-image-").split()
    return max((name for name in names if re.fullmatch(pattern, name)), key=_version_key, default=None)


def _version_key(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _unpacked_kernel(package: str, scratch: Path) -> Path:
    """The package's files, in a directory of its own; nothing is installed."""
    directory = scratch / package
    directory.mkdir()
    _run("apt-get", "download", "-q", package, cwd=directory)
    (archive,) = directory.glob("*.deb")
    _run("dpkg-deb", "-x", str(archive), str(directory))
    return directory


def _add_kernel(unpacked: Path, images: Images, *, version: str, root: Path) -> None:
    (compressed,) = (unpacked / "boot").glob("vmlinuz-*")
    images.kernel(version).write_bytes(uncompressed_kernel(compressed.read_bytes()))
    (release,) = (unpacked / "lib" / "modules").iterdir()
    modules = _modules_with_dependencies(unpacked, release.name, (*BOOT_MODULES, *GUEST_MODULES))
    target = root / "lib" / "modules" / release.name
    for module in modules:
        _copy_module(module, target / module.relative_to(release))
    for listing in release.glob("modules.*"):
        if listing.name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(listing, target)
    _run("depmod", "-b", str(root), release.name)
    _make_initrd(images.initrd(version), root=root, release=release.name)


def uncompressed_kernel(image: bytes) -> bytes:
    """The ELF kernel in a bzImage (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length)."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * SECTOR + offset
    return _decompressed(image[start : start + length])


def _decompressed(data: bytes) -> bytes:
    """Of xz or zstd, cut off where the compressed stream ends (the boot image has the length after it)."""
    if data.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=False).stdout
    raise VmUnavailable(f"this kernel is compressed in a way that is not known here (begins with {data[:6].hex()})")


def _modules_with_dependencies(base: Path, release: str, names: Sequence[str]) -> list[Path]:
    """The files of these modules and of those that they need, each once, in the order in which they load."""
    _run("depmod", "-b", str(base), release)
    found: dict[Path, None] = {}
    for name in names:
        query = ["modprobe", "-d", str(base), "-S", release, "--show-depends", "-q", name]
        for line in subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines():
            kind, _, file = line.strip().partition(" ")
            if kind == "insmod":
                found[Path(file.split()[0])] = None
    return list(found)


def _copy_module(source: Path, target: Path) -> None:
    """Uncompressed: the initramfs has only busybox's insmod."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".xz":
        target.with_suffix("").write_bytes(lzma.decompress(source.read_bytes()))
    else:
        shutil.copy(source, target)


def _make_initrd(initrd: Path, *, root: Path, release: str) -> None:
    tree = initrd.with_suffix(".tree")
    for name in ("bin", "dev", "proc", "sys", "lower", "upper", "new", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    (tree / "bin" / "sh").symlink_to("busybox")
    modules = _modules_with_dependencies(root, release, BOOT_MODULES)
    for module in modules:
        shutil.copy(module, tree / "modules")
    (tree / "modules" / "order").write_text("".join(f"{module.name}\n" for module in modules))
    shutil.copy(INITRAMFS_INIT, tree / "init")
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))) + "\n"
    pack = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
    initrd.write_bytes(subprocess.run(pack, cwd=tree, input=names.encode(), capture_output=True, check=True).stdout)
    shutil.rmtree(tree)


def _finish_root(root: Path) -> None:
    """Drop what no test reads, and the configuration that Debian's packages bring: every test writes its own."""
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "etc" / "multipath.conf").unlink(missing_ok=True)
    (root / "etc" / "multipath").mkdir(exist_ok=True)
    (root / "etc" / "hostname").write_text("testvm\n")
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost testvm\n")


def _ext4_image(tree: Path, image: Path) -> None:
    used = int(_output("du", "-sm", str(tree)).split()[0])
    size = used * (100 + IMAGE_SLACK_PERCENT) // 100 + IMAGE_SLACK_MIB
    _run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-d", str(tree), str(image), f"{size}M")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise VmUnavailable(f"{' '.join(command)}: exit status {done.returncode}\n{tail}")


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VmUnavailable(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def _say(what: str) -> None:
    print(f"vm images: {what}", file=sys.stderr, flush=True)


def main() -> int:
    """The command line: make them, say where they are."""
    argparse.ArgumentParser(prog="python -m tests.vm.images", description=__doc__).parse_args()
    began = time.monotonic()
    try:
        images = make()
    except VmUnavailable as reason:
        print(f"vm images: {reason}", file=sys.stderr)
        return 1
    kernels = ", ".join(version for version in KERNELS if images.has(version))
    _say(f"{images.directory} (kernels {kernels}), {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
