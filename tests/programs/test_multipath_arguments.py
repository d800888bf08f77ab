"""What command lines of `multipath` ask for."""

import pytest

from controller.cli.multipath_arguments import VERSION, Invocation, Job, Kind, Misused, kind_of, read, usage


@pytest.mark.parametrize(
    ("arguments", "invocation"),
    [
        ([], Invocation()),
        (["data"], Invocation(device="data")),
        (["-d"], Invocation(job=Job.DRY_RUN)),
        (["-l"], Invocation(job=Job.LIST)),
        (["-ll"], Invocation(job=Job.LIST_ALL)),
        (["-l", "l"], Invocation(job=Job.LIST, device="l")),
        (["-ll", "-d"], Invocation(job=Job.LIST_ALL)),
        (["-v3", "-R3", "-f", "x"], Invocation(job=Job.FLUSH, device="x", verbosity=3, retries=3)),
        (["-R", "x", "-F"], Invocation(job=Job.FLUSH_ALL, retries=0)),
        (["-f x"], Misused),  # as one word it is a cluster of options
        (["-r", "-D", "-B", "-q"], Invocation(
            force_reload=True, never_delegate=True, bindings_read_only=True, allow_queueing=True)),
        (["-p", "multibus"], Invocation(policy="multibus")),
        (["-pfailoverXYZ"], Invocation(policy="failover")),
        (["-b", "file", "-M", "x"], Invocation()),
        (["-e", "-l"], Invocation(job=Job.LIST, all_foreign=True)),
        (["-a", "-w", "x"], Invocation(job=Job.REMOVE_WWID, device="x")),
        (["-W"], Invocation(job=Job.RESET_WWIDS)),
        (["-U", "dm-0"], Invocation(job=Job.HAS_PATHS, device="dm-0", of_udev=True)),
        (["-C", "dm-0"], Invocation(job=Job.HAS_PATHS, device="dm-0")),
        (["-t", "-z"], Misused),
        (["-T"], Invocation(job=Job.PRINT_CONFIG_LOCAL)),
        (["-v1", "-t", "-v", "x"], Invocation(job=Job.PRINT_CONFIG, verbosity=1)),
        (["-h"], Invocation(job=Job.HELP)),
        (["-v", "x"], Misused),
        (["-p", "x"], Misused),
        (["-R"], Misused),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_a_command_line_asks_for(arguments: list[str], invocation: Invocation | type[Misused]) -> None:
    if isinstance(invocation, Invocation):
        assert read(arguments) == invocation
        return
    with pytest.raises(Misused) as caught:
        read(arguments)
    assert caught.value.message.endswith(usage())


def test_why_a_command_line_is_none() -> None:
    for arguments, beginning in ((["-z"], "Unknown switch: z\n"), (["-p"], "Missing option argument\n"), (["-v"], "M")):
        with pytest.raises(Misused) as caught:
            read(arguments)
        assert caught.value.message.startswith(beginning)
    with pytest.raises(Misused) as caught:
        read(["-p", "best"])
    assert caught.value.said == "'best' is not a valid policy\n"


def test_the_usage_names_the_version_that_scripts_look_for() -> None:
    assert usage().startswith(VERSION)
    assert "multipath-tools v0.14.3 " in usage()


@pytest.mark.parametrize(
    ("device", "node", "kind"),
    [
        ("/dev/sda", "sda", Kind.DISK),
        ("/dev/mapper/data", "dm-0", Kind.MAP),
        ("8:16", None, Kind.NUMBER),
        ("data", None, Kind.MAP),
        ("sda", None, Kind.MAP),
        ("/dev/none", None, None),
        ("x" * 128, None, None),
    ],
)
def test_how_a_device_is_named(device: str, node: str | None, kind: Kind | None) -> None:
    assert kind_of(device, node=node) is kind
