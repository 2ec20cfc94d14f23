"""Which drivers NVIDIA's packages of forward compatibility go with: newer CUDA on an older driver.

`cuda-compat-MAJOR-MINOR` brings the driver's half that runs in the process (libcuda and the PTX
compiler) at the version of that CUDA release, on top of the kernel module that is there. NVIDIA
supports this on data centre GPUs only, and on some branches of drivers only.

Sources: NVIDIA, CUDA Compatibility, "Forward Compatibility"
(https://docs.nvidia.com/deploy/cuda-compatibility/), says for which GPUs and by which packages. For
which branches is what NVIDIA's own images of CUDA accept besides new drivers, in their variable
`NVIDIA_REQUIRE_CUDA` (`brand=tesla,driver>=535,driver<536` and so on, in 12.6.3, 12.8.0, 12.9.1,
13.0.3 and 13.1.1; https://gitlab.com/nvidia/container-images/cuda). What is not in them is taken as
not supported.
"""

from __future__ import annotations

from collections.abc import Mapping

BRANCHES: Mapping[str, frozenset[int]] = {
    "12.6": frozenset({470, 535, 550}),
    "12.8": frozenset({470, 535, 550, 560, 565}),
    "12.9": frozenset({535, 550, 560, 565, 570}),
    "13.0": frozenset({535, 550, 565, 570, 575}),
    "13.1": frozenset({535, 550, 570, 575, 580}),
}
"""Branches of drivers on which a CUDA version's package works, by `torch.version.cuda`."""


def compat_package(driver: str, cuda: str) -> str | None:
    """Return the package that lets a CUDA version run on an older driver; None if none is known to.

    Whether the GPUs are for data centres is the caller's to know. Any text may be given.
    """
    release = ".".join(cuda.split(".")[:2])
    branch, _, _ = driver.partition(".")
    if not branch.isdecimal() or int(branch) not in BRANCHES.get(release, frozenset()):
        return None
    return f"cuda-compat-{release.replace('.', '-')}"
