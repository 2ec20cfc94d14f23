"""The table that `nvidia-smi` prints without options.

Its columns have moved between drivers (470 is narrower than 535, 550 and later are wider, 610
renamed the headline's fields), so rows are known by what is in them and never by their width.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from upgrade_gates.host.output import Output
from upgrade_gates.host.smi_failure import SmiFailure, find_failure, is_failure_sentence

COMMAND = ("nvidia-smi",)

_LONGEST_ROW = 400
"""Longer lines are no rows; the table of every driver is narrower than 120 columns."""

_SMI = re.compile(r"NVIDIA-SMI\s+([0-9][0-9.]*)")
_DRIVER = re.compile(r"(?:Driver|KMD) Version:\s*([0-9][0-9.]*)")
_CUDA = re.compile(r"CUDA(?: UMD)? Version:\s*([0-9][0-9.]*)")

_GPU = re.compile(
    r"\|\s+([0-9]{1,4})\s+(\S.*?)\s+(On|Off|N/A|WDDM|TCC|MCDM|ERR!|Unknown Error)\s*"
    r"\|\s*([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:\S+|N/A|ERR!)\s[^|]*\|"
)
"""A GPU's first row. Windows has its driver models in place of the persistence mode, a Jetson has
no bus, and a GPU that does not answer any more has ERR!."""

_GPU_DETAILS = re.compile(
    r"\|\s*(?:ERR!|N/A|[0-9]{1,3}\s?%)\s+(?:ERR!|N/A|[0-9]{1,3}C).*\|.*\|.*\|"
)
"""Its second row, where the memory is shared with the processor (`Not Supported`) or unknown."""

_DEAD = re.compile(r"ERR!|Unknown Error|GPU is lost", re.IGNORECASE)
_MEMORY = re.compile(r"([0-9]{1,9})MiB\s*/\s*([0-9]{1,9})MiB")
_MIG_MODE = re.compile(r"(Enabled|Disabled|N/A|ERR!)(\*?)\s*\|$")
_MIG_DEVICE = re.compile(
    r"\|\s+([0-9]{1,4})\s+([0-9]{1,4})\s+([0-9]{1,4})\s+([0-9]{1,4})\s*\|\s*([0-9]{1,9})MiB\s*/\s*([0-9]{1,9})MiB"
)
_PROCESS = re.compile(
    r"\|\s+([0-9]{1,4})\s+(?:(?:N/A|[0-9]{1,4})\s+(?:N/A|[0-9]{1,4})\s+)?([0-9]{1,9})\s+([CGM](?:\+[CGM])*)"
    r"\s+(.*?)\s+(?:([0-9]{1,9})MiB|N/A)?\s*\|$"
)
_FURNITURE = re.compile(
    r"[+|][-=+|\s]*"
    r"|\|\s*(?:GPU\s+Name|Fan\s+Temp|GPU\s+GI|ID\s+ID|GPU\s+PID|MIG devices:|Processes:"
    r"|No running processes found|No MIG devices found).*"
    r"|\|[\s|]*(?:MIG M\.|ECC|Usage)[\s|]*"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s.*[0-9]{4}"
)


@dataclass(frozen=True, slots=True)
class TableGpu:
    """A GPU's rows.

    Attributes:
        bus_id: None where it is on no bus, as in a Jetson.
        total_mib: None where it shares the processor's memory.
        mig: `Enabled`, `Disabled`, None, or with `*` where that changes with the next reset.
        dead: whether its name or its mode cannot be read any more. A single reading that fails,
            such as the power, does not make it so.
    """

    index: int
    name: str
    bus_id: str | None
    used_mib: int | None = None
    total_mib: int | None = None
    mig: str | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class TableMigDevice:
    """A row of the MIG devices."""

    gpu: int
    gpu_instance: int
    compute_instance: int
    device: int
    used_mib: int
    total_mib: int


@dataclass(frozen=True, slots=True)
class TableProcess:
    """A row of the processes. `kind` is `C`, `G`, or both with a plus; memory may be hidden."""

    gpu: int
    pid: int
    kind: str
    name: str
    used_mib: int | None


@dataclass(frozen=True, slots=True)
class SmiTable:
    """What the table says.

    Attributes:
        driver: version of the kernel's driver.
        cuda: the newest CUDA version that the driver supports, as it says itself.
        unknown: lines that mean nothing to this parser, such as warnings.
    """

    smi: str | None = None
    driver: str | None = None
    cuda: str | None = None
    gpus: tuple[TableGpu, ...] = ()
    mig_devices: tuple[TableMigDevice, ...] = ()
    processes: tuple[TableProcess, ...] = ()
    failure: SmiFailure | None = None
    unknown: tuple[str, ...] = ()


@dataclass
class _Reading:
    gpus: list[TableGpu] = field(default_factory=list)
    mig_devices: list[TableMigDevice] = field(default_factory=list)
    processes: list[TableProcess] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    in_gpus: bool = True

    def line(self, line: str) -> None:
        """Take one row of the table."""
        if line.startswith(("| MIG devices", "| Processes")):
            self.in_gpus = False
        if _FURNITURE.fullmatch(line):
            return
        if not (self._gpu_row(line) if self.in_gpus else self._later_row(line)):
            self.unknown.append(line)

    def _gpu_row(self, line: str) -> bool:
        if gpu := _GPU.match(line):
            dead = any(_DEAD.search(gpu[part]) for part in (2, 3, 4))
            bus = None if gpu[4] in ("N/A", "ERR!") else gpu[4]
            self.gpus.append(TableGpu(int(gpu[1]), gpu[2], bus, dead=dead))
            return True
        if not self.gpus:
            return False
        last = self.gpus[-1]
        if last.total_mib is None and (memory := _MEMORY.search(line)):
            self.gpus[-1] = replace(last, used_mib=int(memory[1]), total_mib=int(memory[2]))
            return True
        if last.total_mib is None and _GPU_DETAILS.fullmatch(line):
            return True
        if mode := _MIG_MODE.search(line):
            self.gpus[-1] = replace(
                last, mig=None if mode[1] in ("N/A", "ERR!") else mode[1] + mode[2]
            )
            return True
        return False

    def _later_row(self, line: str) -> bool:
        if mig := _MIG_DEVICE.match(line):
            gpu, instance, compute, device, used, total = (int(each) for each in mig.groups())
            self.mig_devices.append(TableMigDevice(gpu, instance, compute, device, used, total))
            return True
        if process := _PROCESS.match(line):
            used_mib = int(process[5]) if process[5] else None
            self.processes.append(
                TableProcess(int(process[1]), int(process[2]), process[3], process[4], used_mib)
            )
            return True
        return bool(_MEMORY.search(line))  # the second row of a MIG device: its BAR1 memory


def parse_smi_table(text: str) -> SmiTable:
    """Understand the table, or the sentence that is there instead of it. Any text will do."""
    reading = _Reading()
    failure = find_failure(text)
    headline = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or is_failure_sentence(line):
            continue
        if len(line) > _LONGEST_ROW:
            reading.unknown.append(line[:_LONGEST_ROW])
        elif not headline and _SMI.search(line) and line.startswith("|"):
            headline = line
        else:
            reading.line(line)
    return SmiTable(
        smi=_first(_SMI, headline),
        driver=_first(_DRIVER, headline),
        cuda=_first(_CUDA, headline),
        gpus=tuple(reading.gpus),
        mig_devices=tuple(reading.mig_devices),
        processes=tuple(reading.processes),
        failure=failure,
        unknown=tuple(reading.unknown),
    )


def read_smi_table(output: Output) -> SmiTable:
    """Understand what the command said."""
    return parse_smi_table(output.said)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
