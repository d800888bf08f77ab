"""How long clients wait: the one keyword that they look for."""

from pathlib import Path

import pytest

from controller.client import patience


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", 4.1),
        (b"defaults {\n\tuxsock_timeout 10000\n}\n", 10.1),
        (b'defaults {\n\tuxsock_timeout "7000"\n}\n', 7.1),
        (b"defaults {\n uxsock_timeout 5000\n uxsock_timeout 6000\n}\n", 6.1),
        (b"# uxsock_timeout 9000\n", 4.1),
        (b"uxsock_timeout 9000 # long\n", 9.1),
        (b"uxsock_timeout 100\n", 4.1),
        (b"uxsock_timeout soon\n", 4.1),
        (b"uxsock_timeout\n", 4.1),
        (b"uxsock_timeout 99999999999999999999999\n", 2147483.747),
    ],
)
def test_the_setting(text: bytes, expected: float) -> None:
    assert patience.seconds([text]) == pytest.approx(expected)


def test_a_drop_in_comes_after_the_main_file(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("uxsock_timeout 5000\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.conf").write_text("uxsock_timeout 8000\n")
    (tmp_path / "conf.d/b.conf.off").write_text("uxsock_timeout 9000\n")
    assert patience.configured(str(tmp_path / "main"), str(tmp_path / "conf.d")) == pytest.approx(8.1)
    assert patience.configured(str(tmp_path / "none"), str(tmp_path / "none")) == pytest.approx(4.1)
