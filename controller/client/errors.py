"""What can go wrong between a client and the daemon, by whose fault it is.

The messages of `NotConnected`, `NotSent` and `NoReply` are those of multipath-tools' clients: scripts look for them.
"""


class ClientError(Exception):
    """Base of all errors that the client library raises on purpose."""


class NotConnected(ClientError):
    """Nobody listens on the daemon's socket, or we may not connect to it."""


class NotSent(ClientError):
    """The command could not be sent."""


class NoReply(ClientError):
    """The daemon took the command and did not answer it. `timed_out`: it may still be at work on it."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Refused(ClientError):
    """The daemon answered that it did not do it; the message is its text, or empty."""


class NotUnderstood(ClientError):
    """The daemon's answer is not of the form that was asked for."""


class BadName(ClientError):
    """A name that no command can carry."""
