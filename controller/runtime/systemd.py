"""What a service says to systemd, and the sockets that it gets from it: sd_notify(3) and sd_listen_fds(3), by hand.

In: the environment. Out: datagrams to the socket that NOTIFY_SOCKET names; descriptors of sockets. It must never wait,
nor fail because systemd does not listen.
"""

import fcntl
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: where the sockets that systemd passes begin."""

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """How to reach the service manager; every call does nothing where there is none."""

    address: str = ""
    watchdog: float | None = None
    """Seconds within which it wants a sign of life; None: it does not watch."""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, pid: int) -> "ServiceManager":
        """From the environment of the process with this id: what was meant for another process is not for us."""
        watched = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        text = environment.get("WATCHDOG_USEC", "") if watched else ""
        limit = int(text) / _MICROSECONDS if text.isascii() and text.isdigit() and int(text) else None
        return cls(environment.get("NOTIFY_SOCKET", ""), limit)

    def ready(self) -> None:
        """Started (or done with reloading), and waiting for events."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def reloading(self, *, at: float) -> None:
        """Reading the configuration again; `at`: monotonic seconds, which Type=notify-reload asks for."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(at * _MICROSECONDS)}")

    def stopping(self) -> None:
        """On the way out."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The sign of life for the watchdog."""
        if self.watchdog is not None:
            self._send("WATCHDOG=1")

    def failed(self, error: int) -> None:
        """Ending because of an errno."""
        self._send(f"ERRNO={error}")

    def _send(self, text: str) -> None:
        if not self.address.startswith(("/", "@")):
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(0)
            sender.sendto(text.encode("utf-8", "surrogateescape"), name)


def passed_sockets(environment: Mapping[str, str], *, pid: int) -> list[socket.socket]:
    """The listening sockets that systemd opened for the process with this id, in its order."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or not (count.isascii() and count.isdigit()):
        return []
    found = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        found.append(socket.socket(fileno=descriptor))
    return found


def name_of(listener: socket.socket) -> str:
    """The path of a socket, or its abstract name with `@` before it."""
    name = listener.getsockname()
    return "@" + name[1:].decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
