"""The targets `linear` and `error`, for what stands beside multipath maps or on top of them (LVM, partitions).

In: table lines and requests. Out: requests to the device below, or errors. Facts: drivers/md/dm-linear.c, dm-target.c.
"""

import errno
from collections.abc import Iterator

from controller.sandbox.block import BlockDevice, Io, Result
from controller.sandbox.dm_table import Table, Target, TargetType
from controller.sandbox.errors import refusal


class LinearTarget(Target):
    """A stretch of another device, from a sector on."""

    def __init__(self, table: Table, start: int, length: int, params: str) -> None:
        super().__init__(table, start, length)
        words = params.split()
        if len(words) != 2:
            raise refusal(errno.EINVAL, "linear: invalid argument count")
        if not words[1].isdigit():
            raise refusal(errno.EINVAL, "linear: invalid device sector")
        self._device, self._offset = table.take(words[0]), int(words[1])

    def params(self) -> str:
        """See `Target`."""
        return f"{self._device.dev} {self._offset}"

    def areas(self) -> Iterator[tuple[BlockDevice, int]]:
        """See `Target`."""
        yield self._device, self._offset

    def submit(self, io: Io) -> None:
        """See `Target`."""
        self.table.owner.started(1)

        def ended(result: Result) -> None:
            self.table.owner.started(-1)
            io.end(result)

        self._device.submit(Io(io.kind, ended))


class ErrorTarget(Target):
    """A stretch on which every request fails. It takes any parameters and shows none."""

    def __init__(self, table: Table, start: int, length: int, _params: str) -> None:
        super().__init__(table, start, length)

    def params(self) -> str:
        """See `Target`."""
        return ""

    def submit(self, io: Io) -> None:
        """See `Target`."""
        io.end(Result.PATH_ERROR)


LINEAR = TargetType(name="linear", version=(1, 4, 0), build=LinearTarget)
ERROR = TargetType(name="error", version=(1, 5, 0), build=ErrorTarget, wildcard=True)
