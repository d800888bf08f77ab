"""The client's side of the daemon's socket: ours and multipath-tools' are spoken to alike.

`channel` sends a command and gets the reply, `daemon` has the operations as typed methods, `program` is `multipathd` as
a client. Only the standard library is used, and by all but `daemon` as little of it as possible: a client command is
started thousands of times.
"""
