"""A bench of GPU hosts with the real apt and dpkg, each in a root of its own that is thrown away.

The packages are dummies that are laid out as Ubuntu, Debian and NVIDIA lay out the driver; what
apt and dpkg decide about them is decided by the programs themselves. Only what is not theirs has a
stand-in: the GPUs, the kernel and its modules, systemd, the firmware.
"""
