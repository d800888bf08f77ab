"""Who an NVMe namespace is, by its own word: NGUID, EUI-64 and UUID, read from the device now.

In: a path. Out: a dialogue that ends with an `NvmeIdentity`, the bytes that were answered; and what they say, as the
WWIDs that the kernel makes of them (`/sys/block/NAME/wwid`, udev's ID_WWN). Never from the copy that the kernel keeps:
that is of the namespace that was there when it looked. Sends Identify, nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from observers.asking import Dialogue, NvmeAdmin, nvme
from observers.errors import MpathError, ProtocolError
from observers.kernel import nvme_data
from observers.kernel.nvme_data import Cns, NamespaceNames
from observers.reading import describe
from observers.snapshot import Hex, NvmeIdentity, Path, Wwid

_MADE_OF_CONTROLLER = "nvme."
"""How a WWID begins that the kernel makes of vendor, serial number and model, when a namespace has no name."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An identity, and why parts of it were not answered, in words."""

    identity: NvmeIdentity
    refusals: tuple[str, ...] = ()


def ask_identity(path: Path, *, timeout: float) -> Dialogue[Answered]:
    """Ask for as much as it takes to compare with the WWID that sysfs has, and once for the controller's data.

    `timeout`: seconds, for each command. What an earlier look brought of the controller (`path.nvme_identity`) is kept.
    """
    asked: list[str] = []
    before = path.nvme_identity.controller if path.nvme_identity else None
    by_controller = path.wwid_attribute.startswith(_MADE_OF_CONTROLLER)
    found = NvmeIdentity(descriptors=(yield from _part(Cns.DESCRIPTORS, asked, timeout=timeout)))
    namespace = None
    if path.wwid_attribute not in wwids_of(found, namespace=0):
        namespace = yield from _part(Cns.NAMESPACE, asked, timeout=timeout)
    controller = before
    if before is None or by_controller:
        controller = yield from _part(Cns.CONTROLLER, asked, timeout=timeout)
    identity = NvmeIdentity(descriptors=found.descriptors, namespace=namespace, controller=controller)
    return Answered(identity, tuple(asked))


_WHAT = {
    Cns.DESCRIPTORS: "namespace identification descriptors",
    Cns.NAMESPACE: "Identify Namespace",
    Cns.CONTROLLER: "Identify Controller",
}


def _part(kind: Cns, refusals: list[str], *, timeout: float) -> Dialogue[Hex | None]:
    """The bytes of an answer that are kept; None, and a refusal noted, when there are none that can be used."""
    try:
        data = yield from identify(kind, timeout=timeout)
        return Hex(_kept(kind, data).hex())
    except (OSError, MpathError) as error:
        refusals.append(f"{_WHAT[kind]}: {describe(error)}")
        return None


def identify(kind: Cns, *, timeout: float) -> Dialogue[bytes]:
    """The data of an Identify, about the controller or the namespace that the device is."""
    return nvme(
        NvmeAdmin(
            opcode=nvme_data.IDENTIFY,
            namespace=0,
            words=nvme_data.identify(kind),
            reply_length=nvme_data.IDENTIFY_SIZE,
            timeout=timeout,
        )
    )


def _kept(kind: Cns, data: bytes) -> bytes:
    """What of an answer says who it is; `ProtocolError` when that can't be understood."""
    if kind is Cns.DESCRIPTORS:
        nvme_data.names_of_descriptors(data)
        return nvme_data.descriptors_in_use(data)
    if kind is Cns.NAMESPACE:
        nvme_data.names_of_namespace(data[nvme_data.NAMESPACE_NAMES])
        return data[nvme_data.NAMESPACE_NAMES]
    nvme_data.controller_name(data)
    return data[: nvme_data.CONTROLLER_HEAD]


# ---- what the bytes say


def wwids_of(identity: NvmeIdentity, *, namespace: int) -> tuple[Wwid, ...]:
    """Every WWID that the kernel could make of these answers, the one that it prefers first. `namespace`: its number.

    `ProtocolError` when they can't be read. The names of the kinds uuid, NGUID and EUI-64 come before the one that is
    made of the controller's data, which any namespace has.
    """
    names = [_names(identity.descriptors, nvme_data.names_of_descriptors)]
    names.append(_names(identity.namespace, nvme_data.names_of_namespace))
    found = [f"uuid.{_dashed(each.uuid)}" for each in names if each.uuid]
    found += [f"eui.{each.nguid}" for each in names if each.nguid]
    found += [f"eui.{each.eui64}" for each in names if each.eui64]
    if identity.controller is not None:
        found.append(_of_controller(bytes.fromhex(identity.controller), namespace))
    return tuple(dict.fromkeys(Wwid(name) for name in found))


def supports_ana(identity: NvmeIdentity | None) -> bool | None:
    """Whether the controller reports asymmetric access; None: it was not asked, or its answer can't be read."""
    if identity is None or identity.controller is None:
        return None
    try:
        return nvme_data.supports_ana(bytes.fromhex(identity.controller))
    except ProtocolError:
        return None


def _names(data: Hex | None, parse: Callable[[bytes], NamespaceNames]) -> NamespaceNames:
    return parse(bytes.fromhex(data)) if data is not None else NamespaceNames()


def _dashed(uuid: str) -> str:
    return "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))


def _of_controller(controller: bytes, namespace: int) -> str:
    who = nvme_data.controller_name(controller)
    return f"{_MADE_OF_CONTROLLER}{who.vendor:04x}-{who.serial.hex()}-{who.model.hex()}-{namespace:08x}"
