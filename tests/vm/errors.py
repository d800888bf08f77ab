"""What can go wrong with the test machine: it can't be had here (a reason to skip), or it broke (a failure)."""


class VmUnavailable(Exception):
    """The machine can't be made or booted on this host; the message says exactly what is missing and how to get it."""


class NoSuchKernel(VmUnavailable):
    """Debian offers no such kernel here: its tests are skipped, also where a machine is required."""


class VmBroken(Exception):
    """A machine died, or did not answer in time; the message ends with the tail of its console."""


class CommandFailed(Exception):
    """A command in the guest that had to succeed did not; the message has all of its output."""
