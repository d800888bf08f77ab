"""A large SAN, made in code: so many logical units over so many paths, for benchmarks and for tests of scale.

In: two counts. Out: a `Scenario`, the same for the same counts.
"""

from controller.sandbox.san import AccessState, Adapter, Array, Group, Lun, PortRef, Scenario, Tpgs, Transport

_SIZE = 20 * (1 << 30) // 512
_ADAPTERS = 2


def big_san(luns: int, paths: int) -> Scenario:
    """An ALUA array that shows `luns` units of 20 GiB over `paths` paths each, half of them optimized.

    Two adapters see its ports, so `paths` has to be even; a path is one adapter with one port.
    """
    if paths < _ADAPTERS or paths % _ADAPTERS:
        raise ValueError(f"{paths} paths can't be shared by {_ADAPTERS} adapters")
    count = paths // _ADAPTERS
    ports = tuple(f"5006016{number:09x}" for number in range(max(count, 2)))
    half = len(ports) // 2
    states = ((1, AccessState.OPTIMIZED, ports[:half]), (2, AccessState.NON_OPTIMIZED, ports[half:]))
    array = Array(
        name="big",
        vendor="IBM",
        product="2145",
        revision="0000",
        node="5006016000000000",
        tpgs=Tpgs.IMPLICIT,
        groups=tuple(Group(id=number, state=state, ports=names) for number, state, names in states),
        luns=tuple(
            Lun(number=number, size=_SIZE, naa=f"60050768{number:024x}", serial=f"{number:012x}")
            for number in range(luns)
        ),
    )
    return Scenario(name=f"big-{luns}x{paths}", arrays=(array,), adapters=tuple(_adapters(ports[:count])))


def _adapters(ports: tuple[str, ...]) -> list[Adapter]:
    seen = tuple(PortRef("big", port) for port in ports)
    return [
        Adapter(host=host, transport=Transport.FC, port=f"10000090fa{host:06x}", sees=seen)
        for host in range(1, 1 + _ADAPTERS)
    ]
