"""`multipath -t` of Debian's multipath-tools 0.9.4 beside `mpathctl show config`, which prints what 0.14.3 prints.

Both read the same files in the guest. What they print is compared line by line, in order, each line with the section
and the entry that it stands in, and so are their messages. Every difference is in a list here, with its reason; what
is listed has to be found.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import pytest

from tests.real_kernel.guest import CONF, Guest

pytestmark = pytest.mark.vm

DROP_INS = "/etc/multipath/conf.d"
_IDENTITY = frozenset({"vendor", "product", "revision", "wwid", "type"})


@dataclass(frozen=True, slots=True)
class Differs:
    """Lines that only one of them has, and why. An entry's name stands for the entry with all its lines."""

    why: str
    theirs: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration, and what differs besides what always does."""

    text: str
    drop_ins: Mapping[str, str] = field(default_factory=dict)
    differs: tuple[Differs, ...] = ()


def _devices(*names: str, setting: str = "") -> tuple[str, ...]:
    return tuple(f"devices/{name}{f': {setting}' if setting else ''}" for name in names)


_ALUA = (
    '"3PARdata" "VV"', '"HP" "(HSVX700|HSVX740)"', '"Nimble" "Server"', '"TEGILE" "(ZEBI-(FC|ISCSI)|INTELLIFLASH)"',
    '"DellEMC" "PowerStore"', '"DellEMC" "^ME"', '"IBM" "^IPR"', '"AIX" "NVDISK"', '"NEC" "DISK ARRAY"',
    '"(Intel|INTEL)" "Multi-Flex"', '"(LIO-ORG|SUSE)" ".*"', '"PURE" "FlashArray"', '"Nexsan" "(NestOS|NST5000)"',
    '"VIOLIN" "SAN ARRAY ALUA"', '"Promise" "VTrak"', '"Promise" "Vess"',
)  # fmt: skip
_RDAC = (
    '"SGI" "TP9[3457]00"', '"SGI" "IS"', '"DELL" "^MD3"', '"FUJITSU" "ETERNUS_AHB"', '"IBM" "^1722-600"',
    '"IBM" "^1724"', '"IBM" "^1726"', '"IBM" "^1742"', '"IBM" "^1746"', '"IBM" "^1813"', '"IBM" "^1814"',
    '"IBM" "^1815"', '"IBM" "^1818"', '"IBM" "^3526"', '"IBM" "^(3542|3552)"', '"LENOVO" "DE_Series"',
    '"(NETAPP|LSI|ENGENIO)" "INF-01-00"', '"STK" "BladeCtlr"', '"STK" "OPENstorage"', '"STK" "FLEXLINE 380"',
    '"SUN" "STK6580_6780"', '"SUN" "CSM[12]00_R"', '"SUN" "LCSM100_[IEFS]"', '"SUN" "SUN_6180"', '"SUN" "ArrayStorage"',
)  # fmt: skip

_NEW_ARRAYS = (
    '"EQLOGIC" "100E-00"', '"HITACHI" "Hi-SDS"', '"NVME" "HITACHI SVOS-RF-System"', '"^SCST_" ".*"',
    '"NVME" "InfiniBox"', '"SEAGATE" "STJX"', '"SEAGATE" "^[456]"', '"Quantum" "(StorNext QX|QXS)"',
    '"QUANTUM" "^(F|P|H)[24]"', '"QUANTUM" "^F1"', '"VSTORAGE" "VSTOR-DISK"', '"^Qsan" ".*"', '"NVME" "VASTData"',
)  # fmt: skip

_HITACHI, _ASTOR, _INFINIBOX = '"(HITACHI|HP|HPE)" "^OPEN-"', '"AStor" "NeoSapphire"', '"NFINIDAT" "InfiniBox"'
_HUAWEI = '"^(HUAWEI|HUASY|HS)" "^(Dorado[25]|HVS8|S[23568]|V1[568]|VIS6000)"'
_HUAWEI_XSG1 = '"^(HUAWEI|AnyStor|Marstor|NETPOSA|SanM|SUGON|UDsafe)" "XSG1"'

ALWAYS = (
    Differs(
        "the program multipath sets these two for itself, and 0.9.4 prints that instead of the configuration",
        theirs=('defaults: force_sync "yes"', "defaults: retrigger_tries 0"),
        ours=('defaults: force_sync "no"', "defaults: retrigger_tries 3"),
    ),
    Differs(
        "flush_on_last_del has other words: always, unused (which is what no was), and never",
        theirs=('defaults: flush_on_last_del "no"',),
        ours=('defaults: flush_on_last_del "unused"',),
    ),
    Differs(
        "keywords that are no longer in force",
        theirs=(
            'defaults: bindings_file "/etc/multipath/bindings"',
            'defaults: wwids_file "/etc/multipath/wwids"',
            'defaults: prkeys_file "/etc/multipath/prkeys"',
            'defaults: disable_changed_wwids "ignored"',
        ),
    ),
    Differs(
        "keywords that 0.9.4 does not have yet",
        ours=(
            'defaults: detect_pgpolicy "yes"',
            'defaults: detect_pgpolicy_use_tpg "no"',
            'defaults: purge_disconnected "no"',
            'defaults: auto_resize "never"',
        ),
    ),
    Differs(
        "the kernel attaches the handlers of these arrays by itself; the table no longer names them",
        theirs=(
            *_devices(*_ALUA, setting='hardware_handler "1 alua"'),
            *_devices(*_RDAC, setting='hardware_handler "1 rdac"'),
            *_devices('"DEC" "HSG80"', '"(COMPAQ|HP)" "(MSA|HSV)1[01]0"', setting='hardware_handler "1 hp_sw"'),
            *_devices('"^DGC" "^(RAID|DISK|VRAID)"', setting='hardware_handler "1 emc"'),
        ),
    ),
    Differs(
        "the table calls NVMe devices NVME, as the kernel's vendor is read, where 0.9.4 took several spellings",
        theirs=(
            *_devices('"NVM[eE]" ".*"', '".*" "dellemc-powerstore"', '"NVMe" "FlashSystem"'),
            *_devices('"NVM[eE]" "Huawei-XSG1"'),
        ),
        ours=_devices('"^NVME" ".*"', '"NVME" "dellemc-powerstore"', '"NVME" "FlashSystem"', '"NVME" "Huawei-XSG1"'),
    ),
    Differs(
        "entries that match more models now",
        theirs=_devices('"(HP|HPE)" "MSA [12]0[456]0 (SAN|SAS|FC|iSCSI)"', '"HUAWEI" "XSG1"'),
        ours=_devices('"(HP|HPE)" "MSA [12]0[4567]0 (SAN|SAS|FC|iSCSI)"', _HUAWEI, _HUAWEI_XSG1),
    ),
    Differs(
        "arrays that 0.9.4 does not know yet",
        ours=_devices(*_NEW_ARRAYS),
    ),
    Differs(
        "a new array brings the rule on its management LUN",
        ours=('blacklist/"Quantum" "cvfsctl"',),
    ),
    Differs(
        "product_blacklist of S/390 no longer catches both kinds of DASD at once",
        theirs=(
            'blacklist/"IBM" "S/390"',
            *_devices('"IBM" "S/390 DASD ECKD"', '"IBM" "S/390 DASD FBA"', setting='product_blacklist "S/390"'),
        ),
        ours=(
            'blacklist/"IBM" "S/390 DASD ECKD"',
            'blacklist/"IBM" "S/390 DASD FBA"',
            *_devices('"IBM" "S/390 DASD ECKD"', setting='product_blacklist "S/390 DASD ECKD"'),
            *_devices('"IBM" "S/390 DASD FBA"', setting='product_blacklist "S/390 DASD FBA"'),
        ),
    ),
    Differs(
        "other grouping, retries, checkers and prioritizers for some arrays",
        theirs=(
            *_devices(_HITACHI, _ASTOR, setting='path_grouping_policy "multibus"'),
            *_devices(_INFINIBOX, setting='path_selector "round-robin 0"'),
            *_devices(_INFINIBOX, setting="failback 30"),
            *_devices(_INFINIBOX, setting='rr_weight "priorities"'),
            *_devices(_INFINIBOX, setting='no_path_retry "fail"'),
            *_devices(_INFINIBOX, setting="rr_min_io 1"),
            *_devices(_INFINIBOX, setting="rr_min_io_rq 1"),
            *_devices(_INFINIBOX, setting="dev_loss_tmo 15"),
        ),
        ours=(
            *_devices(_HITACHI, _ASTOR, setting='path_grouping_policy "group_by_prio"'),
            *_devices(_HITACHI, _ASTOR, setting='failback "immediate"'),
            *_devices(_HITACHI, setting="no_path_retry 10"),
            *_devices('"(LIO-ORG|SUSE)" ".*"', setting='path_checker "directio"'),
            *_devices('"(LIO-ORG|SUSE)" ".*"', setting='detect_checker "no"'),
            *_devices('"PURE" "FlashArray"', _INFINIBOX, setting='detect_prio "no"'),
            *_devices(_INFINIBOX, setting='failback "immediate"'),
            *_devices(_INFINIBOX, setting='no_path_retry "queue"'),
            *_devices(_INFINIBOX, setting='dev_loss_tmo "infinity"'),
        ),
    ),
    Differs(
        "the new words of flush_on_last_del in the table",
        theirs=_devices('"NETAPP" "LUN"', _INFINIBOX, setting='flush_on_last_del "yes"'),
        ours=_devices('"NETAPP" "LUN"', _INFINIBOX, setting='flush_on_last_del "always"'),
    ),
)
"""What differs whatever is configured."""

_MESSAGE = "messages: /etc/multipath.conf line"


def _deprecated(line: int, keyword: str, builtin: str) -> Differs:
    text = f'{_MESSAGE} {line}: ignoring deprecated option "{keyword}"'
    return Differs("the message tells the built-in value", (text,), (f'{text}, using built-in value: "{builtin}"',))


def _flush(line: int, old: str, new: str, where: str) -> Differs:
    return Differs(
        "the old words of flush_on_last_del mean new ones, with a message",
        theirs=(f'{where}: flush_on_last_del "{old}"',),
        ours=(
            f'{where}: flush_on_last_del "{new}"',
            f'{_MESSAGE} {line}, "{old}" is a deprecated value for flush_on_last_del and is treated as "{new}"',
        ),
    )


SETTINGS = """defaults {
	verbosity 1
	polling_interval 7
	max_polling_interval 21
	path_selector "queue-length 0"
	path_grouping_policy multibus
	uid_attrs "sd:ID_SERIAL dasd:ID_UID"
	uid_attribute ID_WWN
	prio alua
	prio_args exclusive_pref_bit
	features "1 queue_if_no_path"
	path_checker directio
	checker_timeout 17
	alias_prefix disk
	failback 15
	rr_min_io 200
	rr_min_io_rq 2
	max_fds 4096
	rr_weight priorities
	no_path_retry 12
	queue_without_daemon yes
	user_friendly_names yes
	flush_on_last_del yes
	fast_io_fail_tmo 9
	dev_loss_tmo 90
	eh_deadline 30
	log_checker_err once
	reservation_key 0xabc:aptpl
	all_tg_pt yes
	retain_attached_hw_handler no
	detect_prio no
	detect_checker no
	force_sync yes
	retrigger_tries 5
	retrigger_delay 20
	strict_timing yes
	deferred_remove yes
	partition_delimiter -part
	config_dir /etc/nowhere
	multipath_dir /lib/elsewhere
	delay_watch_checks 5
	delay_wait_checks 6
	marginal_path_err_sample_time 120
	marginal_path_err_rate_threshold 3
	marginal_path_err_recheck_gap_time 60
	marginal_path_double_failed_time 30
	marginal_pathgroups yes
	san_path_err_threshold 4
	san_path_err_forget_rate 5
	san_path_err_recovery_time 6
	find_multipaths strict
	find_multipaths_timeout -5
	uxsock_timeout 5000
	missing_uev_wait_timeout 60
	skip_kpartx yes
	disable_changed_wwids yes
	remove_retries 2
	max_sectors_kb 512
	ghost_delay 8
	enable_foreign "^nvme$"
	recheck_wwid yes
	mode 0640
	uid 0
	gid 0
}
"""

DEVICES = """devices {
	device {
		vendor "NETAPP"
		product "LUN"
		no_path_retry fail
		path_checker directio
	}
	device {
		vendor "ACME"
		product "Disk (A|B)""x"
		revision "^2"
		product_blacklist "Control.*"
		path_grouping_policy group_by_serial
		hardware_handler "1 alua"
		features 0
		prio const
		failback followover
		rr_weight uniform
		dev_loss_tmo infinity
		flush_on_last_del no
		skip_kpartx no
	}
	device {
		vendor "ACME"
		product "Disk (A|B)""x"
		revision "^2"
		failback manual
		fast_io_fail_tmo off
		vpd_vendor hp3par
	}
	device {
		vendor "ACME"
		no_path_retry 4
	}
	device {
		vendor ".*"
		product "Virtual"
		uid_attribute ""
		dev_loss_tmo 4294967295
		eh_deadline off
		max_sectors_kb 64
	}
}
"""

RULES = """blacklist {
	devnode "^(ram|loop)[0-9]"
	devnode "!^sd"
	wwid "3600508b400105e21"
	wwid "3600508b400105e21"
	property "ID_ATA"
	protocol "scsi:ata"
	device {
		vendor "ACME"
		product "Control.*"
	}
	device {
		vendor "!ACME"
	}
}
blacklist_exceptions {
	devnode "^sda$"
	wwid "36005.*"
	property "(ID_WWN|SCSI_IDENT_.*)"
	protocol "scsi:(fcp|iscsi)"
	device {
		product "Disk"
	}
}
"""

MAPS = """overrides {
	no_path_retry queue
	path_selector "round-robin 0"
	user_friendly_names no
	features "0"
	protocol {
		type "scsi:fcp"
		fast_io_fail_tmo 10
		dev_loss_tmo 60
	}
	protocol {
		type "scsi:iscsi"
		eh_deadline 12
	}
	protocol {
		type "scsi:fcp"
		dev_loss_tmo 70
	}
}
multipaths {
	multipath {
		wwid 3600508b4000156d700012000000b0000
		alias yellow
		path_grouping_policy group_by_prio
		path_selector "service-time 0"
		failback immediate
		no_path_retry 5
		rr_min_io_rq 3
		mode 0600
		uid 0
		gid 0
		reservation_key file
		ghost_delay 3
	}
	multipath {
		wwid 1DEC_____321816758474
		alias red
		user_friendly_names yes
		skip_kpartx yes
		flush_on_last_del yes
	}
	multipath {
		wwid 3600508b4000156d700012000000b0000
		no_path_retry fail
	}
}
"""

WRONG = """defaults {
	polling_interval many
	max_polling_interval 30
	path_grouping_policy sideways
	no_path_retry -3
	failback sometimes
	rr_min_io 99999999999
	features "3 one two"
	user_friendly_names perhaps
	find_multipaths_timeout ten
	getuid_callout "/lib/udev/scsi_id"
	colour green
	alias_prefix "mp a" extra
	prio
	mode 999
	dev_loss_tmo 0
	uid nosuchuser
	log_checker_err never
}
overrides {
	wwid 5
	protocol {
		fast_io_fail_tmo 3
	}
}
multipaths {
	multipath {
		alias nowwid
	}
}
"""

NEW = """defaults {
	detect_pgpolicy no
	detect_pgpolicy_use_tpg yes
	auto_resize grow_only
	purge_disconnected yes
	path_grouping_policy group_by_tpg
	flush_on_last_del never
}
"""

CASES = {
    "nothing configured": Case(""),
    "keywords of defaults": Case(
        SETTINGS,
        differs=(
            Differs("as without a configuration: 0.9.4 prints its own value", ours=("defaults: retrigger_tries 5",)),
            _flush(23, "yes", "always", "defaults"),
            _deprecated(39, "config_dir", "/etc/multipath/conf.d"),
            _deprecated(40, "multipath_dir", "/lib64/multipath"),
            Differs(
                "disable_changed_wwids is deprecated since",
                ours=(
                    f'{_MESSAGE} 56: ignoring deprecated option "disable_changed_wwids", using built-in value: "yes"',
                ),
            ),
        ),
    ),
    "device entries": Case(DEVICES, differs=(_flush(20, "no", "unused", 'devices/"ACME" "Disk (A|B)""x" "^2"'),)),
    "blacklist and exceptions": Case(RULES),
    "overrides and multipaths": Case(
        MAPS, differs=(_flush(40, "yes", "always", 'multipaths/"1DEC_____321816758474"'),)
    ),
    "wrong values": Case(WRONG, differs=(_deprecated(11, "getuid_callout", "(not set)"),)),
    "keywords and words that are new": Case(
        NEW,
        differs=(
            Differs(
                "0.9.4 does not know them",
                theirs=(
                    'defaults: path_grouping_policy "failover"',
                    f"{_MESSAGE} 2, invalid keyword in the defaults section: detect_pgpolicy",
                    f"{_MESSAGE} 3, invalid keyword in the defaults section: detect_pgpolicy_use_tpg",
                    f"{_MESSAGE} 4, invalid keyword in the defaults section: auto_resize",
                    f"{_MESSAGE} 5, invalid keyword in the defaults section: purge_disconnected",
                    f'{_MESSAGE} 6, invalid value for path_grouping_policy: "group_by_tpg"',
                    f'{_MESSAGE} 7, invalid value for flush_on_last_del: "never"',
                ),
                ours=(
                    'defaults: path_grouping_policy "group_by_tpg"',
                    'defaults: flush_on_last_del "never"',
                    'defaults: detect_pgpolicy "no"',
                    'defaults: detect_pgpolicy_use_tpg "yes"',
                    'defaults: purge_disconnected "yes"',
                    'defaults: auto_resize "grow_only"',
                ),
            ),
        ),
    ),
    "drop-ins": Case(
        "",
        drop_ins={
            "20-b.conf": "defaults {\n\tno_path_retry 20\n\tcolour green\n}\nblacklist {\n\twwid second\n}\n",
            "10-a.conf": "defaults {\n\tno_path_retry 10\n\tfailback manual\n}\nblacklist {\n\twwid first\n}\n"
            "devices {\n\tdevice {\n\t\tvendor NETAPP\n\t\tproduct LUN\n\t\tfailback 7\n\t}\n}\n",
            "30-c.txt": "defaults {\n\tno_path_retry 30\n}\n",
        },
    ),
}


def lines_of(printed: str) -> Iterator[str]:
    """The lines with their place: `defaults: KEYWORD VALUE`; `devices/"VENDOR" "PRODUCT"`, and the lines of that entry.

    Places come from the indentation, since a rule that names only a vendor is printed without its closing brace.
    """
    section = place = ""
    lines = printed.splitlines()
    for number, line in enumerate(lines):
        depth, text = len(line) - len(line.lstrip("\t")), line.strip()
        if text == "}":
            place = section
        elif not text.endswith(" {"):
            yield f"{place}: {text}"
        elif depth == 0:
            section = place = text.removesuffix(" {")
        else:
            place = f"{section}/{' '.join(_identity(lines[number + 1 :]))}"
            yield place


def _identity(lines: Sequence[str]) -> Iterator[str]:
    """What names an entry: the first of its lines."""
    for line in lines:
        keyword, _, value = line.strip().partition(" ")
        if keyword not in _IDENTITY:
            return
        yield value


def messages_of(text: str) -> Iterator[str]:
    """The messages without the time that 0.9.4 puts before them."""
    for line in text.splitlines():
        yield "messages: " + re.sub(r"^\d+\.\d+ \| ", "", line)


def only_in_one(theirs: Sequence[str], ours: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines of each that the other does not have at that place."""
    left: list[str] = []
    right: list[str] = []
    for operation, start, end, begin, finish in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if operation != "equal":
            left += theirs[start:end]
            right += ours[begin:finish]
    return left, right


def _told(lines: Sequence[str], listed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines that are not listed, and what is listed and is no line."""
    covers = {item: [line for line in lines if line == item or line.startswith(f"{item}: ")] for item in listed}
    known = {line for found in covers.values() for line in found}
    return [line for line in lines if line not in known], [item for item, found in covers.items() if not found]


@pytest.mark.parametrize("name", CASES)
def test_every_difference_from_debians_multipath_is_known(guest: Guest, name: str) -> None:
    case = CASES[name]
    guest.sh(f"rm -rf {DROP_INS}; mkdir -p {DROP_INS}")
    guest.machine.check("true", files={CONF: case.text} | {f"{DROP_INS}/{k}": v for k, v in case.drop_ins.items()})
    theirs, ours = guest.run("multipath -t"), guest.mpathctl("show", "config")
    guest.sh(f"rm -r {DROP_INS}")
    assert (theirs.status, ours.status) == (0, 0), theirs.err + ours.err
    left, right = only_in_one(
        [*lines_of(theirs.out), *messages_of(theirs.err)], [*lines_of(ours.out), *messages_of(ours.err)]
    )
    unlisted = [
        _told(left, [item for each in (*ALWAYS, *case.differs) for item in each.theirs])[0],
        _told(right, [item for each in (*ALWAYS, *case.differs) for item in each.ours])[0],
    ]
    assert unlisted == [[], []], "lines that only they have, and only we, and that no list has"
    wanted = case.differs or (ALWAYS if not case.text else ())
    missing = [
        _told(left, [item for each in wanted for item in each.theirs])[1],
        _told(right, [item for each in wanted for item in each.ours])[1],
    ]
    assert missing == [[], []], "what is listed, and is no difference"
