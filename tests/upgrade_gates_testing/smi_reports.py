"""`nvidia-smi -q -x` as several drivers print it, cut down to some of its hundreds of elements."""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Sequence


def process(pid: int, kind: str = "C", name: str = "python3", used: str = "75012 MiB") -> str:
    """Return an entry of the processes."""
    return f"""
			<process_info>
				<gpu_instance_id>N/A</gpu_instance_id>
				<compute_instance_id>N/A</compute_instance_id>
				<pid>{pid}</pid>
				<type>{kind}</type>
				<process_name>{name}</process_name>
				<used_memory>{used}</used_memory>
			</process_info>"""


def mig_device(index: int, instance: int, total: int, used: int) -> str:
    """Return a MIG device."""
    return f"""
			<mig_device>
				<index>{index}</index>
				<gpu_instance_id>{instance}</gpu_instance_id>
				<compute_instance_id>0</compute_instance_id>
				<device_attributes>
					<shared>
						<multiprocessor_count>42</multiprocessor_count>
					</shared>
				</device_attributes>
				<ecc_error_count>
					<volatile_count>
						<sram_uncorrectable>0</sram_uncorrectable>
					</volatile_count>
				</ecc_error_count>
				<fb_memory_usage>
					<total>{total} MiB</total>
					<reserved>0 MiB</reserved>
					<used>{used} MiB</used>
					<free>{total - used} MiB</free>
				</fb_memory_usage>
			</mig_device>"""


def gpu(
    index: int = 0,
    *,
    name: str = "NVIDIA H100 80GB HBM3",
    architecture: str | None = "Hopper",
    total: str = "81559 MiB",
    used: str = "1 MiB",
    mig: str = "Disabled",
    mig_devices: str = "\n			None\n		",
    virtualization: str = "None",
    processes: str = "\n		",
) -> str:
    """Return a GPU."""
    of_architecture = (
        f"\n		<product_architecture>{architecture}</product_architecture>" if architecture else ""
    )
    return f"""
	<gpu id="00000000:{0x18 + 0x11 * index:02X}:00.0">
		<product_name>{name}</product_name>
		<product_brand>NVIDIA</product_brand>{of_architecture}
		<display_active>Disabled</display_active>
		<persistence_mode>Enabled</persistence_mode>
		<mig_mode>
			<current_mig>{mig}</current_mig>
			<pending_mig>{mig}</pending_mig>
		</mig_mode>
		<mig_devices>{mig_devices}</mig_devices>
		<serial>165062301234{index}</serial>
		<uuid>GPU-0f6e1c9a-0000-4d2e-9d51-00000000000{index}</uuid>
		<minor_number>{index}</minor_number>
		<vbios_version>96.00.74.00.01</vbios_version>
		<gpu_virtualization_mode>
			<virtualization_mode>{virtualization}</virtualization_mode>
			<host_vgpu_mode>N/A</host_vgpu_mode>
		</gpu_virtualization_mode>
		<fan_speed>N/A</fan_speed>
		<fb_memory_usage>
			<total>{total}</total>
			<reserved>551 MiB</reserved>
			<used>{used}</used>
			<free>N/A</free>
		</fb_memory_usage>
		<compute_mode>Default</compute_mode>
		<processes>{processes}</processes>
		<accounted_processes>
		</accounted_processes>
	</gpu>
"""


def report(driver: str, cuda: str, gpus: Sequence[str], *, attached: int | None = None) -> str:
    """Return a report."""
    return f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
	<timestamp>Tue Nov 24 20:11:34 2026</timestamp>
	<driver_version>{driver}</driver_version>
	<cuda_version>{cuda}</cuda_version>
	<attached_gpus>{len(gpus) if attached is None else attached}</attached_gpus>
{"".join(gpus)}
</nvidia_smi_log>
"""


OLD_470 = report(
    "470.256.02", "11.4", [gpu(name="Tesla T4", architecture=None, total="15109 MiB", mig="N/A")]
).replace("v12.dtd", "v11.dtd")
EIGHT_550 = report(
    "550.90.07",
    "12.4",
    [gpu(index, used="75013 MiB", processes=process(412200 + index)) for index in range(8)],
)
MIG_575 = report(
    "575.57.08",
    "12.9",
    [
        gpu(
            name="NVIDIA A100 80GB PCIe",
            architecture="Ampere",
            total="81920 MiB",
            used="249 MiB",
            mig="Enabled",
            mig_devices=mig_device(0, 1, 40192, 107) + mig_device(1, 5, 19968, 71),
        )
    ],
)
ONE_580 = report("580.95.05", "13.0", [gpu(processes=process(4242, name="VLLM::EngineCore"))])
RENAMED_610 = (
    ONE_580.replace("driver_version>", "kmd_version>")
    .replace("cuda_version>", "cuda_umd_version>")
    .replace("580.95.05", "610.43.02")
    .replace("13.0<", "13.3<")
)
VGPU_550 = report(
    "550.127.05",
    "12.4",
    [
        gpu(
            name="NVIDIA L40S-12Q",
            architecture="Ada Lovelace",
            total="12288 MiB",
            used="0 MiB",
            mig="N/A",
            virtualization="VGPU",
            processes="\n			N/A\n		",
        )
    ],
)
DENIED_PROCESSES = report(
    "535.183.01",
    "12.2",
    [gpu(processes="Insufficient Permissions", used="[Insufficient Permissions]")],
)
NO_GPUS = report("570.133.20", "12.8", [])
