"""/proc/mdstat as a source of events."""

import errno
import select

from observers.mdstat_watch import EVENTS, MdstatWatch


class Texts:
    """What the file says, one reading after the other."""

    def __init__(self, *texts: bytes | int) -> None:
        self.texts = list(texts)

    def __call__(self) -> bytes:
        text = self.texts.pop(0)
        if isinstance(text, int):
            raise OSError(text, "refused")
        return text


def changes(*texts: bytes | int) -> list[bool]:
    watch = MdstatWatch(7, Texts(*texts))
    return [watch.changed() for _ in texts]


def test_the_first_look_and_every_other_text_is_a_change() -> None:
    assert changes(b"a", b"a", b"b", b"b") == [True, False, True, False]


def test_what_can_not_be_read_is_a_change_and_so_is_what_comes_after_it() -> None:
    assert changes(b"a", errno.EIO, b"a", b"a") == [True, True, True, False]


def test_it_is_polled_by_its_descriptor_for_what_the_kernel_sends() -> None:
    assert MdstatWatch(7, Texts()).fileno() == 7
    assert EVENTS & select.POLLPRI
    assert not EVENTS & select.POLLIN
