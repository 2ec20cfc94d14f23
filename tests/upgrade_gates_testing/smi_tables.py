"""`nvidia-smi` as several drivers print it. The layout is theirs, the machines are invented."""

# ruff: noqa: E501, W291, W293 - lines as long and as ragged as the tool prints them

from __future__ import annotations

NARROW_470 = """\
Tue Mar 12 09:41:07 2024       
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 470.256.02   Driver Version: 470.256.02   CUDA Version: 11.4     |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|                               |                      |               MIG M. |
|===============================+======================+======================|
|   0  Tesla T4            On   | 00000000:00:1E.0 Off |                    0 |
| N/A   41C    P8     9W /  70W |    105MiB / 15109MiB |      0%      Default |
|                               |                      |                  N/A |
+-------------------------------+----------------------+----------------------+
                                                                               
+-----------------------------------------------------------------------------+
| Processes:                                                                  |
|  GPU   GI   CI        PID   Type   Process name                  GPU Memory |
|        ID   ID                                                   Usage      |
|=============================================================================|
|    0   N/A  N/A      2301      C   ...nda3/envs/old/bin/python3      103MiB |
+-----------------------------------------------------------------------------+
"""

MIG_535 = """\
+---------------------------------------------------------------------------------------+
| NVIDIA-SMI 535.183.01             Driver Version: 535.183.01   CUDA Version: 12.2     |
|-----------------------------------------+----------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |         Memory-Usage | GPU-Util  Compute M. |
|                                         |                      |               MIG M. |
|=========================================+======================+======================|
|   0  NVIDIA A100-PCIE-40GB          On  | 00000000:21:00.0 Off |                   On |
| N/A   28C    P0              31W / 250W |     50MiB / 40960MiB |     N/A      Default |
|                                         |                      |              Enabled |
+-----------------------------------------+----------------------+----------------------+
|   1  NVIDIA A100-PCIE-40GB          On  | 00000000:81:00.0 Off |                    0 |
| N/A   27C    P0              34W / 250W |      4MiB / 40960MiB |      0%      Default |
|                                         |                      |            Disabled* |
+-----------------------------------------+----------------------+----------------------+

+---------------------------------------------------------------------------------------+
| MIG devices:                                                                          |
+------------------+--------------------------------+-----------+-----------------------+
| GPU  GI  CI  MIG |                   Memory-Usage |        Vol|      Shared           |
|      ID  ID  Dev |                     BAR1-Usage | SM     Unc| CE ENC DEC OFA JPG    |
|                  |                                |        ECC|                       |
|==================+================================+===========+=======================|
|  0    3   0   0  |              12MiB /  9856MiB  | 14      0 |  1   0    1    0    0 |
|                  |               0MiB / 16383MiB  |           |                       |
+------------------+--------------------------------+-----------+-----------------------+
|  0    4   0   1  |              12MiB /  9856MiB  | 14      0 |  1   0    1    0    0 |
|                  |               0MiB / 16383MiB  |           |                       |
+------------------+--------------------------------+-----------+-----------------------+

+---------------------------------------------------------------------------------------+
| Processes:                                                                            |
|  GPU   GI   CI        PID   Type   Process name                            GPU Memory |
|        ID   ID                                                             Usage      |
|=======================================================================================|
|    0    3    0      77012      C   python3                                       0MiB |
+---------------------------------------------------------------------------------------+
"""

_WIDE_HEAD = """\
{date}       
+-----------------------------------------------------------------------------------------+
{headline}
{below_headline}-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|
"""

_WIDE_GPU = """\
|   {index}  {name:<30.30} {persistence:>3}  |   {bus} {display} |                    0 |
| N/A   30C    P0             66W /  700W | {used:>7}MiB / {total:>6}MiB |      0%      Default |
|                                         |                        |             Disabled |
+-----------------------------------------+------------------------+----------------------+
"""

_WIDE_PROCESSES = """\
                                                                                         
+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |
|        ID   ID                                                               Usage      |
|=========================================================================================|
"""

_NO_PROCESSES = (
    "|  No running processes found                                                             |\n"
)
_WIDE_END = (
    "+-----------------------------------------------------------------------------------------+\n"
)


def wide(
    version: str,
    cuda: str,
    *,
    smi: str | None = None,
    gpus: int = 1,
    name: str = "NVIDIA H100 80GB HBM3",
    total: int = 81559,
    used: int = 1,
    processes: str = "",
) -> str:
    """Return the table of drivers 545 to 595."""
    headline = (
        f"| NVIDIA-SMI {smi or version:<22} Driver Version: {version:<14} CUDA Version: {cuda:<9}|"
    )
    head = _WIDE_HEAD.format(
        date="Tue Nov 24 20:11:33 2026",
        headline=headline,
        below_headline="+" if version.startswith(("580", "590")) else "|",
    )
    rows = "".join(
        _WIDE_GPU.format(
            index=index,
            name=name,
            persistence="On",
            bus=f"00000000:{0x18 + 0x11 * index:02X}:00.0",
            display="Off",
            used=used,
            total=total,
        )
        for index in range(gpus)
    )
    return head + rows + _WIDE_PROCESSES + (processes or _NO_PROCESSES) + _WIDE_END


EIGHT_550 = wide(
    "550.90.07",
    "12.4",
    gpus=8,
    processes="".join(
        f"|    {index}   N/A  N/A    {412200 + index:>8}      C   ray::RayWorkerWrapper             "
        "        75012MiB |\n"
        for index in range(8)
    ),
)
ONE_570 = wide("570.133.20", "12.8", name="NVIDIA GeForce RTX 4090", total=24564)
ONE_575 = wide("575.57.08", "12.9", name="NVIDIA L40S", total=46068)
ONE_580 = wide("580.95.05", "13.0")

RENAMED_610 = ONE_580.replace(
    ONE_580.splitlines()[2],
    "| NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3     |",
)

VGPU_550 = wide("550.127.05", "12.4", name="NVIDIA L40S-12Q", total=12288, used=0)

TWO_ROWS_570 = """\
Thu Apr 16 11:39:43 2026       
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 570.211.01             Driver Version: 570.211.01     CUDA Version: 12.8     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|=========================================+========================+======================|
|   0  NVIDIA GeForce RTX 3070 ...    Off |   00000000:01:00.0  On |                  N/A |
| N/A   44C    P0            752W /  125W |      11MiB /   8192MiB |      6%      Default |
+-----------------------------------------+------------------------+----------------------+
                                                                                         
+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |
|        ID   ID                                                               Usage      |
|=========================================================================================|
|    0   N/A  N/A            2204      G   /usr/lib/xorg/Xorg                        4MiB |
|    0   N/A  N/A           99120    C+G   /opt/my app, really/bin/viewer          N/A    |
+-----------------------------------------------------------------------------------------+
WARNING: infoROM is corrupted at gpu 0000:01:00.0
"""

NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n\n"
)
MISMATCH = (
    "Failed to initialize NVML: Driver/library version mismatch\n" "NVML library version: 570.133\n"
)
DENIED = "Failed to initialize NVML: Insufficient Permissions\n"
UNKNOWN_ERROR = "Failed to initialize NVML: Unknown Error\n"
NO_DEVICES = "No devices were found\n"
LOST = (
    "Unable to determine the device handle for GPU0000:41:00.0: GPU is lost.  Reboot the system to "
    "recover this GPU\n"
)
LOST_DETECT = "Unable to detect the device handle for GPU0000:41:00.0: Unknown Error\n"
LOST_AND_NONE = (
    "Unable to determine the device handle for GPU0000:03:00.0: Unknown Error\n"
    "No devices were found\n"
)
NO_LIBRARY = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the "
    "NVIDIA Display Driver is properly installed and present in your system.\n"
    "Please also try adding directory that contains libnvidia-ml.so to your system PATH.\n"
)

JETSON_540 = """\
Wed Sep  4 10:21:08 2024       
+---------------------------------------------------------------------------------------+
| NVIDIA-SMI 540.3.0                Driver Version: N/A          CUDA Version: 12.2     |
|-----------------------------------------+----------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |         Memory-Usage | GPU-Util  Compute M. |
|                                         |                      |               MIG M. |
|=========================================+======================+======================|
|   0  Orin (nvgpu)                  N/A  | N/A              N/A |                  N/A |
| N/A   N/A  N/A               N/A /  N/A | Not Supported        |     N/A          N/A |
|                                         |                      |                  N/A |
+-----------------------------------------+----------------------+----------------------+
                                                                                         
+---------------------------------------------------------------------------------------+
| Processes:                                                                            |
|  GPU   GI   CI        PID   Type   Process name                            GPU Memory |
|        ID   ID                                                             Usage      |
|=======================================================================================|
|  No running processes found                                                           |
+---------------------------------------------------------------------------------------+
"""

UNIFIED_580 = wide("580.95.05", "13.0", name="NVIDIA GB10").replace(
    "| N/A   30C    P0             66W /  700W |       1MiB /  81559MiB |      0%      Default |",
    "| N/A   40C    P8              4W /  N/A  | Not Supported          |      0%      Default |",
)

WDDM_560 = ONE_575.replace("575.57.08", "560.94   ").replace(
    "|   0  NVIDIA L40S                     On  |", "|   0  NVIDIA L40S                   WDDM  |"
)

DEAD_550 = wide("550.90.07", "12.4", gpus=2).replace(
    "|   1  NVIDIA H100 80GB HBM3           On  |   00000000:29:00.0 Off |                    0 |\n"
    "| N/A   30C    P0             66W /  700W |       1MiB /  81559MiB |      0%      Default |\n"
    "|                                         |                        |             Disabled |",
    "|   1  ERR!                          ERR!  |   00000000:29:00.0 ERR! |                 ERR! |\n"
    "|ERR!  ERR! ERR!             ERR! / ERR!  |       0MiB /  81559MiB |    ERR!         ERR! |\n"
    "|                                         |                        |                 ERR! |",
)
LOST_BESIDE = LOST + ONE_570
