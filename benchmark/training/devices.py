"""Turns a device's name into a device, a precision and a clock."""

from __future__ import annotations

import platform
import time
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch

from benchmark.study.config import Precision
from registry.errors import UserError


def find_device(name: str) -> torch.device:
    """Resolve ``auto`` to a GPU if there is one, or check a device by its name.

    Raises:
        UserError: torch knows no such device, or it is not there.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"there is no device {name!r} here; write --device cpu or leave it out"
        ) from error
    return device


@cache
def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Enter the precision that a setting names on a device."""
    return torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16(device, precision))


def is_bfloat16(device: torch.device, precision: Precision) -> bool:
    """Whether a setting means bfloat16 on a device."""
    return precision == "bfloat16" or (precision == "auto" and computes_bfloat16(device))


def now(device: torch.device) -> float:
    """Seconds on a steady clock, after the device has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def hardware(device: torch.device) -> str:
    """Name the processor that does the work."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class PeakMemory:
    """The most memory in use since it was made: the process's, and the GPU's."""

    def __init__(self, device: torch.device) -> None:
        """Start to watch.

        Args:
            device: The GPU to watch besides the process, if it is one.
        """
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets the kernel's high-water mark
        except OSError:
            self._process = False
        else:
            self._process = True

    def metrics(self) -> dict[str, float]:
        """``peak_memory_mib`` (resident, Linux only) and ``peak_gpu_memory_mib``, in MiB."""
        found: dict[str, float] = {}
        if self._process:
            status = Path("/proc/self/status").read_text()
            kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
            found["peak_memory_mib"] = int(kib) / 1024
        if self._device.type == "cuda":
            found["peak_gpu_memory_mib"] = torch.cuda.max_memory_allocated(self._device) / 2**20
        return found
