"""The built-in table of storage arrays: data, and only what differs from the defaults.

An entry says which hardware it is for (extended regular expressions over the vendor and product of INQUIRY data, or
over `NVME` and the model) and what suits it. Order matters: of all entries that match, the last that sets a keyword
wins, and configured entries come after these. The facts are the vendors' recommendations, as multipath-tools collected
them. A new array is one line here.
"""

from dataclasses import dataclass
from functools import partial

from desired.model import Failback, FailbackMode
from desired.values import DevLoss, FlushOnLastDel, GroupingPolicy, Infinity, NoPathRetry, OffOr, RetryMode, VpdVendor


@dataclass(frozen=True, slots=True)
class Array:
    """A family of arrays. `product_blacklist`: products of the same vendor that are no disks (management LUNs). All
    other fields are keywords; None: the entry does not set it."""

    vendor: str
    product: str
    product_blacklist: str = ""
    path_grouping_policy: GroupingPolicy | None = None
    uid_attribute: str | None = None
    path_checker: str | None = None
    features: str | None = None
    prio: str | None = None
    prio_args: str | None = None
    failback: Failback | None = None
    no_path_retry: NoPathRetry | None = None
    flush_on_last_del: FlushOnLastDel | None = None
    user_friendly_names: bool | None = None
    fast_io_fail_tmo: OffOr | None = None
    dev_loss_tmo: DevLoss | None = None
    detect_prio: bool | None = None
    detect_checker: bool | None = None
    vpd_vendor: VpdVendor | None = None


MULTIBUS = GroupingPolicy.MULTIBUS
BY_PRIO = GroupingPolicy.GROUP_BY_PRIO
BY_SERIAL = GroupingPolicy.GROUP_BY_SERIAL
BY_NODE_NAME = GroupingPolicy.GROUP_BY_NODE_NAME
IMMEDIATE = Failback(FailbackMode.IMMEDIATE)
QUEUE, FAIL = RetryMode.QUEUE, RetryMode.FAIL
INFINITY = Infinity.INFINITY
RETRY_PG_INIT = "2 pg_init_retries 50"
"""Switching controllers may take an array many attempts while it boots."""
UNIVERSAL_XPORT = "Universal Xport"
"""The management LUN of NetApp E-Series."""

multibus = partial(Array, path_grouping_policy=MULTIBUS)
"""Every path is as good as any other."""
by_prio = partial(Array, path_grouping_policy=BY_PRIO, failback=IMMEDIATE)
"""Some paths are better, and it costs nothing to go back to them."""
alua = partial(by_prio, prio="alua")
"""The device tells by ALUA which paths are better."""
rdac = partial(
    by_prio,
    product_blacklist=UNIVERSAL_XPORT,
    path_checker="rdac",
    features=RETRY_PG_INIT,
    prio="rdac",
    no_path_retry=30,
)
"""NetApp E-Series, under any of its names: tells by its own pages which controller owns a LUN."""


def _after(seconds: int) -> Failback:
    return Failback(FailbackMode.DELAYED, seconds)


ARRAYS: tuple[Array, ...] = (
    # Any NVMe namespace: its identity is in ID_WWN, and the transport, not a checker, tells of its health.
    by_prio("^NVME", ".*", uid_attribute="ID_WWN", path_checker="none"),
    # Apple Xserve RAID.
    multibus("APPLE", "Xserve RAID"),
    # HPE Alletra 9000, Primera, 3PAR: waits for a whole array restart, and page 0xC0 names the volume.
    alua("3PARdata", "VV", no_path_retry=18, fast_io_fail_tmo=10, dev_loss_tmo=INFINITY, vpd_vendor=VpdVendor.HP3PAR),
    # HPE Alletra over NVMe: only what the entry for any NVMe namespace lacks.
    Array("NVME", "HPE Alletra", no_path_retry=QUEUE),
    # DEC StorageWorks HSG80: switches controllers by its own command.
    Array("DEC", "HSG80", no_path_retry=QUEUE, path_grouping_policy=BY_PRIO, path_checker="hp_sw", prio="hp_sw"),
    # HP Virtual Array 7400.
    multibus("HP", "A6189A", no_path_retry=12),
    # MSA1000/1500 and EVA3000/5000 with active/passive firmware: the HSG80's command set.
    Array(
        "(COMPAQ|HP)",
        "(MSA|HSV)1[01]0",
        path_grouping_policy=BY_PRIO,
        no_path_retry=12,
        path_checker="hp_sw",
        prio="hp_sw",
    ),
    # The same families with active/active firmware speak ALUA.
    alua("(COMPAQ|HP)", "MSA VOLUME", no_path_retry=12),
    alua("(COMPAQ|HP)", "(HSV1[01]1|HSV2[01]0|HSV3[046]0|HSV4[05]0)", no_path_retry=12),
    # MSA2000 and its successors: the first are symmetric, the later ones ALUA.
    multibus("HP", "(MSA2[02]12fc|MSA2012i)", no_path_retry=18),
    alua("HP", "(MSA2012sa|MSA23(12|24)(fc|i|sa)|MSA2000s VOLUME)", no_path_retry=18),
    alua("(HP|HPE)", "MSA [12]0[4567]0 (SAN|SAS|FC|iSCSI)", no_path_retry=18),
    alua("HP", "(HSVX700|HSVX740)", no_path_retry=12),
    # Smart Array shared storage.
    multibus("HP", "LOGICAL VOLUME", no_path_retry=12),
    # P2000 G3.
    alua("HP", "(P2000 G3 FC|P2000G3 FC/iSCSI|P2000 G3 SAS|P2000 G3 iSCSI)", no_path_retry=18),
    # StoreVirtual 4000.
    alua("LEFTHAND", "(P4000|iSCSIDisk|FCDISK)", no_path_retry=18),
    # Nimble and Alletra 5000/6000: I/O waits for as long as it takes.
    alua("Nimble", "Server", no_path_retry=QUEUE),
    # SGI: symmetric, then NetApp E-Series inside, then DDN inside.
    multibus("SGI", "TP9100"),
    rdac("SGI", "TP9[3457]00"),
    rdac("SGI", "IS"),
    alua("SGI", "^DD[46]A-", no_path_retry=30),
    # DataDirect Networks.
    multibus("DDN", "SAN DataDirector"),
    multibus("DDN", "^EF3010", no_path_retry=30),
    alua("DDN", "^(EF3015|S2A|SFA)", no_path_retry=30),
    # Nexenta COMSTAR.
    Array("NEXENTA", "COMSTAR", path_grouping_policy=BY_SERIAL, no_path_retry=30),
    # Tegile, later Western Digital IntelliFlash.
    alua("TEGILE", "(ZEBI-(FC|ISCSI)|INTELLIFLASH)", no_path_retry=10),
    # Dell EMC Symmetrix, DMX, VMAX, PowerMax: symmetric, every path is as good.
    multibus("EMC", "SYMMETRIX", no_path_retry=6),
    # PowerMax over NVMe.
    Array("NVME", "EMC PowerMax", no_path_retry=QUEUE),
    # CLARiiON, VNX, Unity: its own page tells more than TUR; LUNZ is the placeholder without a LUN.
    by_prio(
        "^DGC",
        "^(RAID|DISK|VRAID)",
        product_blacklist="LUNZ",
        no_path_retry=60,
        path_checker="emc_clariion",
        prio="emc",
        detect_checker=False,
    ),
    # Invista and VPLEX.
    multibus("EMC", "Invista", product_blacklist="LUNZ", no_path_retry=5),
    # XtremIO.
    multibus("XtremIO", "XtremApp"),
    # Dell SC (Compellent).
    by_prio("COMPELNT", "Compellent Vol", no_path_retry=QUEUE),
    # Dell MD3000 family, NetApp E-Series inside.
    rdac("DELL", "^MD3"),
    # PowerStore: queues only briefly.
    alua("DellEMC", "PowerStore", no_path_retry=3, fast_io_fail_tmo=15),
    Array("NVME", "dellemc-powerstore", no_path_retry=3),
    # PowerVault ME.
    alua("DellEMC", "^ME"),
    # EqualLogic.
    multibus("EQLOGIC", "100E-00", no_path_retry=30),
    # Fujitsu CentricStor virtual tape.
    Array("FSC", "CentricStor", path_grouping_policy=BY_SERIAL),
    # ETERNUS DX and its ancestors.
    alua("FUJITSU", "ETERNUS_DX(H|L|M|400|8000)", no_path_retry=10),
    # Eurologic FC2502.
    multibus("(EUROLOGC|EuroLogc)", "FC2502"),
    alua("FUJITSU", "E[234]000", no_path_retry=10),
    multibus("FUJITSU", "E[68]000", no_path_retry=10),
    # ETERNUS AB and HB, NetApp E-Series inside.
    rdac("FUJITSU", "ETERNUS_AHB"),
    # Hitachi VSP and its siblings sold as HP XP.
    by_prio("(HITACHI|HP|HPE)", "^OPEN-", no_path_retry=10),
    # Hitachi modular arrays: priority by controller and LUN number.
    by_prio("HITACHI", "^DF", no_path_retry=QUEUE, prio="hds"),
    # Symmetric; it stands after ^DF, so it is the stronger one.
    multibus("HITACHI", "^DF600F"),
    # Hitachi VSP One SDS: a read is tried, TUR does not tell enough.
    alua("HITACHI", "Hi-SDS", no_path_retry=6, path_checker="directio", detect_checker=False),
    Array("NVME", "HITACHI SVOS-RF-System", no_path_retry=QUEUE),
    # IBM ProFibre.
    multibus("IBM", "ProFibre 4000R"),
    # IBM DS4000/DS5000/DCS3700 family, NetApp E-Series inside, by machine type.
    rdac("IBM", "^1722-600"),
    rdac("IBM", "^1724"),
    rdac("IBM", "^1726"),
    rdac("IBM", "^1742"),
    rdac("IBM", "^1746"),
    rdac("IBM", "^1813"),
    rdac("IBM", "^1814"),
    rdac("IBM", "^1815"),
    rdac("IBM", "^1818"),
    rdac("IBM", "^3526"),
    rdac("IBM", "^(3542|3552)"),
    # ESS, DS6000, DS8000, and the Storage Virtualize family (2145: SVC, Storwize, FlashSystem 5000 to 9000).
    multibus("IBM", "^2105", no_path_retry=QUEUE),
    alua("IBM", "^1750500", no_path_retry=QUEUE),
    by_prio("IBM", "^2107900", no_path_retry=QUEUE),
    alua("IBM", "^2145", no_path_retry=QUEUE),
    # Storage Virtualize over NVMe.
    Array("NVME", "IBM[ ]+2145", no_path_retry=QUEUE),
    # Mainframe disks: identified by their UID, and blacklisted as a plain SCSI product.
    multibus(
        "IBM",
        "S/390 DASD ECKD",
        product_blacklist="S/390 DASD ECKD",
        uid_attribute="ID_UID",
        no_path_retry=QUEUE,
        path_checker="directio",
    ),
    multibus(
        "IBM",
        "S/390 DASD FBA",
        product_blacklist="S/390 DASD FBA",
        uid_attribute="ID_UID",
        no_path_retry=QUEUE,
        path_checker="directio",
    ),
    # Power RAID adapters with two initiators.
    alua("IBM", "^IPR", no_path_retry=QUEUE),
    alua("IBM", "1820N00", no_path_retry=QUEUE),
    # XIV: does not go back at once.
    Array("(XIV|IBM)", "(NEXTRA|2810XIV)", no_path_retry=QUEUE, path_grouping_policy=BY_PRIO, failback=_after(15)),
    # RamSan and the FlashSystem that came from it.
    multibus("(TMS|IBM)", "(RamSan|FlashSystem)"),
    # FlashSystem over NVMe reports an error at once.
    Array("NVME", "FlashSystem", no_path_retry=FAIL),
    # DCS9900, made by DDN.
    alua("IBM", "^(DCS9900|2851)", no_path_retry=30),
    # Disks of a Virtual I/O Server.
    multibus("AIX", "VDASD", no_path_retry=60),
    Array("IBM", "3303[ ]+NVDISK", no_path_retry=60),
    alua("AIX", "NVDISK", no_path_retry=60),
    # Lenovo ThinkSystem DE, NetApp E-Series inside.
    rdac("LENOVO", "DE_Series"),
    # NetApp ONTAP: queues for as long as takeover and giveback need; names come from the WWID.
    by_prio(
        "NETAPP",
        "LUN",
        features=RETRY_PG_INIT,
        no_path_retry=QUEUE,
        flush_on_last_del=FlushOnLastDel.ALWAYS,
        dev_loss_tmo=INFINITY,
        prio="ontap",
        user_friendly_names=False,
    ),
    # NetApp E-Series under its own names.
    rdac("(NETAPP|LSI|ENGENIO)", "INF-01-00"),
    # NetApp SolidFire.
    multibus("SolidFir", "SSD SAN", no_path_retry=24),
    # ONTAP over NVMe.
    Array("NVME", "^NetApp ONTAP Controller", no_path_retry=QUEUE),
    # NEC M-Series.
    alua("NEC", "DISK ARRAY"),
    # Oracle Pillar Axiom and FS.
    alua("^Pillar", "^Axiom"),
    alua("^Oracle", "^Oracle FS"),
    # StorageTek, NetApp E-Series inside.
    rdac("STK", "BladeCtlr"),
    rdac("STK", "OPENstorage"),
    rdac("STK", "FLEXLINE 380"),
    # Sun: 3000 symmetric, then NetApp E-Series inside, then ZFS appliances.
    multibus("SUN", "StorEdge 3"),
    rdac("SUN", "STK6580_6780"),
    rdac("SUN", "CSM[12]00_R"),
    rdac("SUN", "LCSM100_[IEFS]"),
    rdac("SUN", "SUN_6180"),
    rdac("SUN", "ArrayStorage"),
    alua("SUN", "(Sun Storage|ZFS Storage|COMSTAR)", no_path_retry=30),
    # Pivot3 and NexGen.
    multibus("PIVOT3", "RAIGE VOLUME", no_path_retry=QUEUE),
    alua("(NexGen|Pivot3)", "(TierStore|vSTAC)", no_path_retry=QUEUE),
    # Intel Modular Server, Promise inside.
    alua("(Intel|INTEL)", "Multi-Flex", product_blacklist="VTrak V-LUN", no_path_retry=QUEUE),
    # The Linux kernel target: TUR may succeed where reads fail, so a read is tried.
    alua("(LIO-ORG|SUSE)", ".*", no_path_retry=12, path_checker="directio", detect_checker=False),
    # SCST target.
    alua("^SCST_", ".*", no_path_retry=12),
    # DataCore SANsymphony.
    alua("DataCore", "SANmelody", no_path_retry=QUEUE),
    alua("DataCore", "Virtual Disk", no_path_retry=QUEUE),
    # Pure FlashArray. multipath-tools lists max_sectors_kb 4096 for it and loses it when it takes the entry over, so
    # the driver's value has always stayed. We follow that effect: it is not set here, and `show config` prints none.
    alua("PURE", "FlashArray", detect_prio=False, fast_io_fail_tmo=10),
    # FlashArray over NVMe.
    Array("NVME", "Pure Storage FlashArray", no_path_retry=10),
    # Huawei OceanStor.
    by_prio("^(HUAWEI|HUASY|HS)", "^(Dorado[25]|HVS8|S[23568]|V1[568]|VIS6000)", no_path_retry=15),
    by_prio("^(HUAWEI|AnyStor|Marstor|NETPOSA|SanM|SUGON|UDsafe)", "XSG1", no_path_retry=15),
    # OceanStor over NVMe.
    Array("NVME", "Huawei-XSG1", no_path_retry=12),
    # Kove XPD.
    multibus("KOVE", "XPD"),
    # Infinidat InfiniBox: its priorities are ALUA's, whatever autodetection would take.
    alua(
        "NFINIDAT",
        "InfiniBox",
        no_path_retry=QUEUE,
        flush_on_last_del=FlushOnLastDel.ALWAYS,
        fast_io_fail_tmo=15,
        dev_loss_tmo=INFINITY,
        detect_prio=False,
    ),
    # InfiniBox over NVMe.
    Array("NVME", "InfiniBox", no_path_retry=QUEUE),
    # Kaminario K2.
    multibus("KMNRIO", "K2"),
    # Nexsan.
    alua("NEXSAN", "NXS-B0", no_path_retry=15),
    alua("NEXSAN", "SATAB", no_path_retry=15),
    alua("Nexsan", "(NestOS|NST5000)", no_path_retry=30),
    # Violin, without and with ALUA.
    Array("VIOLIN", "SAN ARRAY$", path_grouping_policy=BY_SERIAL, no_path_retry=30),
    alua("VIOLIN", "SAN ARRAY ALUA", no_path_retry=30),
    multibus("VIOLIN", "CONCERTO ARRAY", no_path_retry=30),
    # Xiotech.
    multibus("(XIOTECH|XIOtech)", "ISE", no_path_retry=12),
    multibus("(XIOTECH|XIOtech)", "IGLU DISK", no_path_retry=30),
    multibus("(XIOTECH|XIOtech)", "Magnitude", no_path_retry=30),
    # Vexata.
    multibus("Vexata", "VX", no_path_retry=30),
    # Promise; V-LUN is the placeholder without a LUN.
    alua("Promise", "VTrak", product_blacklist="VTrak V-LUN", no_path_retry=30),
    alua("Promise", "Vess", product_blacklist="Vess V-LUN", no_path_retry=30),
    # Infortrend.
    alua("^IFT", ".*", no_path_retry=30),
    # Dot Hill.
    multibus("DotHill", "SANnet", no_path_retry=30),
    alua("DotHill", "R/Evo", no_path_retry=30),
    alua("DotHill", "^DH", no_path_retry=30),
    # Seagate Storage, formerly Dot Hill.
    alua("SEAGATE", "STJX", no_path_retry=30),
    alua("SEAGATE", "^[456]", no_path_retry=30),
    # AccelStor NeoSapphire.
    by_prio("AStor", "NeoSapphire", no_path_retry=30),
    # Inspur.
    alua("INSPUR", "MCS"),
    # MacroSAN.
    alua("MacroSAN", "LU", no_path_retry=30),
    # Quantum StorNext; cvfsctl is its control LUN.
    alua("Quantum", "(StorNext QX|QXS)", product_blacklist="cvfsctl", no_path_retry=18),
    alua("QUANTUM", "^(F|P|H)[24]", no_path_retry=30),
    Array("QUANTUM", "^F1", path_grouping_policy=BY_SERIAL, no_path_retry=30),
    # Virtuozzo Storage: each node's target is a group.
    Array(
        "VSTORAGE",
        "VSTOR-DISK",
        prio="alua",
        path_grouping_policy=BY_NODE_NAME,
        detect_prio=False,
        features=RETRY_PG_INIT,
        failback=IMMEDIATE,
        flush_on_last_del=FlushOnLastDel.ALWAYS,
        no_path_retry=QUEUE,
    ),
    # QSAN: the preferred path is in a group of its own.
    by_prio("^Qsan", ".*", no_path_retry=30, prio_args="exclusive_pref_bit"),
    # VAST Data.
    Array("NVME", "VASTData", no_path_retry=QUEUE),
)
