"""The XML report `nvidia-smi -q -x`: GPUs, MIG devices, memory and processes.

Elements have come and gone with the driver, and `N/A`, `[Not Supported]`, `[GPU requires reset]`
and other words stand where a value is missing: only numbers that are numbers are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from upgrade_gates.host.output import Output
from upgrade_gates.host.smi_failure import SmiFailure, find_failure

COMMAND = ("nvidia-smi", "-q", "-x")

_WHOLE = re.compile(r"[0-9]{1,9}")
_MEMORY = re.compile(r"([0-9]{1,9}) MiB")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_NO_VALUE = frozenset({"", "n/a", "none", "err!", "unknown error", "gpu is lost", "not supported"})
_DATA_CENTRE = re.compile(
    r"(?:NVIDIA )?(?:Tesla|GRID|G?[BH]B?[0-9]{2,3}|A(?:2|10G?|16|30|40|100|800)|L(?:2|4|20|40S?)"
    r"|V100|P(?:4|6|40|100)|T4)\b"
)


@dataclass(frozen=True, slots=True)
class MigDevice:
    """A MIG device inside a GPU."""

    index: int | None
    gpu_instance: int | None
    compute_instance: int | None
    total_mib: int | None
    used_mib: int | None


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that the driver sees on a GPU. `kind` is `C` for compute, `G` for graphics."""

    pid: int
    kind: str | None
    name: str | None
    used_mib: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU.

    Attributes:
        architecture: such as `Ampere`; None with drivers older than 510.
        mig: whether it is divided now; None if it cannot be.
        mig_pending: whether it will be after the next reset; None if the driver does not say.
        virtualization: such as `None`, `Pass-Through`, `VGPU`.
        processes: None if the driver does not say, which is not the same as none.
    """

    bus_id: str | None
    name: str | None
    architecture: str | None
    uuid: str | None
    mig: bool | None
    mig_devices: tuple[MigDevice, ...]
    total_mib: int | None
    used_mib: int | None
    virtualization: str | None
    processes: tuple[GpuProcess, ...] | None
    mig_pending: bool | None = None

    @property
    def dead(self) -> bool:
        """Whether it does not answer: neither its name nor its identity can be read."""
        return self.name is None and self.uuid is None

    @property
    def mig_changes(self) -> bool:
        """Whether the next reset, and so the next start, divides it or makes it whole."""
        return None not in (self.mig, self.mig_pending) and self.mig is not self.mig_pending

    @property
    def data_centre(self) -> bool | None:
        """Whether NVIDIA sells it for data centres, by its name; None without a name."""
        return None if self.name is None else _DATA_CENTRE.match(self.name) is not None


@dataclass(frozen=True, slots=True)
class SmiReport:
    """The report.

    Attributes:
        attached: how many GPUs the driver has, which may be more than it reports.
        failure: why there is no report, in the tool's own terms.
        unreadable: why what was printed is no report, if it is none and says nothing known.
    """

    driver: str | None = None
    cuda: str | None = None
    attached: int | None = None
    gpus: tuple[Gpu, ...] = ()
    failure: SmiFailure | None = None
    unreadable: str | None = None


def parse_smi_report(text: str) -> SmiReport:
    """Understand the report, or the sentence that is there instead of it. Any text will do."""
    begin = text.find("<nvidia_smi_log")
    if begin < 0:
        failure = find_failure(text)
        no_report = None if failure or not text.strip() else "it holds no <nvidia_smi_log>"
        return SmiReport(failure=failure, unreadable=no_report)
    end = text.find("</nvidia_smi_log>", begin)
    # Without what stands around it: the document type, and warnings that some drivers print.
    body = text[begin:] if end < 0 else text[begin : end + len("</nvidia_smi_log>")]
    try:
        log = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError) as error:
        return SmiReport(failure=find_failure(text), unreadable=f"no proper XML: {error}")
    return SmiReport(
        driver=_version(log, "driver_version") or _version(log, "kmd_version"),
        cuda=_version(log, "cuda_version") or _version(log, "cuda_umd_version"),
        attached=_whole(log, "attached_gpus"),
        gpus=tuple(_gpu(element) for element in log.iterfind("gpu")),
    )


def read_smi_report(output: Output) -> SmiReport:
    """Understand what the command said."""
    return parse_smi_report(output.said)


def _gpu(element: ElementTree.Element) -> Gpu:
    mode = _value(element, "mig_mode/current_mig")
    pending = _value(element, "mig_mode/pending_mig")
    return Gpu(
        bus_id=element.get("id"),
        name=_value(element, "product_name"),
        architecture=_value(element, "product_architecture"),
        uuid=_value(element, "uuid"),
        mig=None if mode is None else mode == "Enabled",
        mig_pending=None if pending is None else pending == "Enabled",
        mig_devices=tuple(_mig_device(each) for each in element.iterfind("mig_devices/mig_device")),
        total_mib=_memory(element, "fb_memory_usage/total"),
        used_mib=_memory(element, "fb_memory_usage/used"),
        virtualization=_value(element, "gpu_virtualization_mode/virtualization_mode"),
        processes=_processes(element),
    )


def _mig_device(element: ElementTree.Element) -> MigDevice:
    return MigDevice(
        index=_whole(element, "index"),
        gpu_instance=_whole(element, "gpu_instance_id"),
        compute_instance=_whole(element, "compute_instance_id"),
        total_mib=_memory(element, "fb_memory_usage/total"),
        used_mib=_memory(element, "fb_memory_usage/used"),
    )


def _processes(gpu: ElementTree.Element) -> tuple[GpuProcess, ...] | None:
    listed = gpu.find("processes")
    if listed is None or (len(listed) == 0 and (listed.text or "").strip()):
        return None  # a word such as `N/A` or `Insufficient Permissions` in place of the list
    return tuple(_each_process(listed))


def _each_process(listed: ElementTree.Element) -> Iterator[GpuProcess]:
    for element in listed.iterfind("process_info"):
        pid = _whole(element, "pid")
        if pid is not None:
            yield GpuProcess(
                pid=pid,
                kind=_value(element, "type"),
                name=_value(element, "process_name"),
                used_mib=_memory(element, "used_memory"),
            )


def _value(element: ElementTree.Element, path: str) -> str | None:
    text = (element.findtext(path) or "").strip()
    return None if text.lower() in _NO_VALUE or text.startswith("[") else text


def _version(element: ElementTree.Element, path: str) -> str | None:
    text = _value(element, path)
    return text if text is not None and _VERSION.fullmatch(text) else None


def _whole(element: ElementTree.Element, path: str) -> int | None:
    text = _value(element, path)
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None


def _memory(element: ElementTree.Element, path: str) -> int | None:
    found = _MEMORY.fullmatch(_value(element, path) or "")
    return int(found[1]) if found else None
