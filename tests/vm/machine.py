"""A test machine: qemu with a Debian kernel, driven over one channel. Boot once, run many scripts.

In: `Images`, scripts as text. Out: exit status and output of each. A machine never outlives the Python that started
it: the kernel kills qemu when that ends, and the guest powers itself off when its channel is closed.
"""

import compileall
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.vm.errors import CommandFailed, NoSuchKernel, VmBroken, VmUnavailable
from tests.vm.images import Images

REPOSITORY = Path(__file__).resolve().parents[2]

SOURCES = ("controller", "desired", "observers", "actuators", "tests")
"""The repository's packages. The guest sees them read-only, and compiling them anew for each run would take seconds."""

BOOT_TIMEOUT = 300.0
"""Seconds. A boot takes 5 to 10 on a quiet machine; a busy one, emulating, may take many times that."""

RUN_TIMEOUT = 300.0
"""Seconds for one script, unless the caller says otherwise."""

ANSWER_MARGIN = 120.0
"""Seconds more than a script's own limit before the machine counts as dead: the guest ends overlong scripts itself."""

CONSOLE_TAIL = 40
"""Lines of the console that a failure shows."""

KERNEL_PARAMETERS = (
    "console=ttyS0 quiet loglevel=4 printk.time=1 panic=-1 oops=panic mitigations=off nokaslr no_timer_check "
    "tsc=reliable edd=off random.trust_cpu=on raid=noautodetect rcupdate.rcu_expedited=1 audit=0 selinux=0 apparmor=0"
)

QUICK_START = "cgroup_disable=memory"
"""More parameters, where the guest's first process is a script."""

SYSTEMD = "vm.init=systemd systemd.unit=basic.target systemd.wants=mpathctl-agent.service systemd.show_status=error"
"""More parameters, where it is systemd: the agent is a service, and there is no login to wait for."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one script."""

    status: int
    out: str
    err: str


class Machine:
    """A running machine; use it as a context manager, or call `close`."""

    def __init__(
        self, images: Images, *, kernel: str = "6.1", memory_mib: int = 2048, cpus: int = 2, append: str = "",
        systemd: bool = False, shares: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        if not images.has(kernel):
            raise NoSuchKernel(f"Debian offered no {kernel} kernel when the images were made ({images.directory})")
        if shutil.which("qemu-system-x86_64") is None:
            raise VmUnavailable("qemu-system-x86_64 is missing; run: sudo apt-get install qemu-system-x86")
        for package in SOURCES:
            compileall.compile_dir(REPOSITORY / package, quiet=2)
        self._directory = Path(tempfile.mkdtemp(prefix="mpathctl-vm."))
        self._channel, theirs = socket.socketpair()
        self._pending = b""
        append = f"{SYSTEMD if systemd else QUICK_START} {append}"
        arguments = _qemu(images, kernel=kernel, memory_mib=memory_mib, cpus=cpus, append=append, shares=shares)
        with theirs, open(self._directory / "qemu", "wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *arguments,
                 "-chardev", f"socket,id=agent,fd={theirs.fileno()}",
                 "-device", "virtserialport,chardev=agent,name=mpathctl.agent",
                 "-serial", f"file:{self._directory}/console"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        try:
            self.kernel_release: str = self._answer(BOOT_TIMEOUT, "its boot")["ready"]
        except VmBroken as error:
            self.close()
            raise VmUnavailable(f"the test machine does not boot: {error}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether qemu still runs."""
        return self._process.poll() is None

    def run(self, script: str, *, timeout: float = RUN_TIMEOUT, files: Mapping[str, str] | None = None) -> Done:
        """Run a bash script as root in the repository's directory, after writing `files`; status 124: out of time."""
        return self._ask({"script": script, "files": dict(files or {})}, timeout=timeout, doing=script)

    def run_preloaded(self, program: str, words: Sequence[str], *, timeout: float = RUN_TIMEOUT) -> Done:
        """Run a Python program (`module:function`) as its installed command would run it, but already imported.

        `words` are the whole of `sys.argv`. Each run is a process of its own; only starting it is saved, which takes
        longer than anything else here.
        """
        request = {"program": program, "python": sys.executable, "words": list(words)}
        return self._ask(request, timeout=timeout, doing=shlex.join(words))

    def leave_preloaded(self, program: str, words: Sequence[str], *, log: str) -> None:
        """Start a Python program likewise, and leave it behind; what it says goes to a file in the guest."""
        request = {"program": program, "python": sys.executable, "words": list(words), "log": log}
        self._ask(request, timeout=RUN_TIMEOUT, doing=shlex.join(words))

    def _ask(self, request: dict[str, Any], *, timeout: float, doing: str) -> Done:
        try:
            self._channel.sendall(json.dumps({**request, "timeout": timeout}).encode() + b"\n")
        except OSError:
            raise self._broken("the machine has ended") from None
        answer = self._answer(timeout + ANSWER_MARGIN, doing)
        return Done(status=answer["status"], out=answer["out"], err=answer["err"])

    def check(self, script: str, *, timeout: float = RUN_TIMEOUT, files: Mapping[str, str] | None = None) -> str:
        """As `run`, for a script that must succeed; returns its output."""
        done = self.run(script, timeout=timeout, files=files)
        if done.status:
            raise CommandFailed(f"{script}\nexit status {done.status}\n{done.out}{done.err}")
        return done.out

    def wait_until(self, condition: str, *, timeout: float = RUN_TIMEOUT) -> None:
        """Wait in the guest until a shell condition holds."""
        done = self.run(f"until {condition}; do sleep 0.1; done", timeout=timeout)
        if done.status:
            raise CommandFailed(f"{condition}\nstill not so after {timeout:g} s\n{done.out}{done.err}")

    def console(self) -> str:
        """What the kernel has written to its console."""
        file = self._directory / "console"
        return file.read_text(errors="replace") if file.exists() else ""

    def close(self) -> None:
        """End the machine. It has nothing to save."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self, timeout: float, doing: str) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._channel.recv(1 << 16)
            except TimeoutError:
                raise self._broken(f"no answer within {timeout:g} s to: {doing}") from None
            except OSError:
                data = b""
            if not data:
                raise self._broken(f"the machine ended during: {doing}")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _broken(self, what: str) -> VmBroken:
        qemu = (self._directory / "qemu").read_text(errors="replace")
        tail = "\n".join(self.console().splitlines()[-CONSOLE_TAIL:])
        return VmBroken(f"{what}\n{qemu}console:\n{tail}")


def _qemu(
    images: Images, *, kernel: str, memory_mib: int, cpus: int, append: str, shares: Sequence[Path]
) -> list[str]:  # fmt: skip
    """The command line but for the channel. Nehalem is the processor that is quickest to emulate."""
    shared = [*mounted_directories(), *map(str, shares)]
    parameters = f"{KERNEL_PARAMETERS} vm.root={REPOSITORY} vm.bind={':'.join(shared)} {append}"
    accelerator = os.environ.get("MPATHCTL_VM_ACCEL", "tcg,thread=multi,tb-size=256")
    drive = f"if=none,id=root,file.locking=off,readonly=on,format=raw,file={images.root}"
    return [
        *(
            "qemu-system-x86_64",
            "-M",
            "q35",
            "-accel",
            accelerator,
            "-cpu",
            os.environ.get("MPATHCTL_VM_CPU", "Nehalem"),
        ),
        *(
            "-smp",
            str(cpus),
            "-m",
            str(memory_mib),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-nic",
            "none",
        ),
        *("-no-reboot", "-kernel", str(images.kernel(kernel)), "-initrd", str(images.initrd(kernel))),
        *("-append", parameters, "-drive", drive, "-device", "virtio-blk-pci,drive=root"),
        *(word for number, directory in enumerate(shared) for word in _shared(number, directory)),
        *("-device", "virtio-serial-pci", "-device", "virtio-rng-pci"),
    ]


def _shared(number: int, directory: str) -> list[str]:
    local = f"local,id=bind{number},path={directory},security_model=none,readonly=on,multidevs=remap"
    return ["-fsdev", local, "-device", f"virtio-9p-pci,fsdev=bind{number},mount_tag=bind{number}"]


def mounted_directories() -> list[str]:
    """What the guest sees of the host, read-only: the repository, and the homes of the Python that runs this.

    A Python of Debian's own needs no mount: the guest has the same one.
    """
    homes = [Path(sys.prefix), Path(sys.base_prefix).resolve()]
    wanted = [REPOSITORY, *(home for home in homes if home != Path("/usr") and not home.is_relative_to(REPOSITORY))]
    return list(dict.fromkeys(str(path) for path in wanted))


def command_line(words: Sequence[str]) -> str:
    """One word is a line of shell, several are a command with its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)
