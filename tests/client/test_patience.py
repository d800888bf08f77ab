"""How long clients wait and how often they try: the keywords that they look for."""

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


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([b""], 0),
        ([b"defaults {\n\tremove_retries 3\n}\n"], 3),
        ([b"remove_retries 3\n", b"remove_retries 1\n"], 1),
        ([b"remove_retries often\n"], 0),
        ([b"uxsock_timeout 7000\n"], 0),
    ],
)
def test_how_often_a_removal_is_tried_again(texts: list[bytes], expected: int) -> None:
    assert patience.retries(texts) == expected


def test_how_often_this_host_tries_again(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("remove_retries 2\n")
    assert patience.configured_retries(str(tmp_path / "main"), str(tmp_path / "none")) == 2
