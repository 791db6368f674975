"""Turns a process into a name by which others can tell later whether it still lives."""

from __future__ import annotations

import os
import socket
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CLOCK_SECONDS = 5
"""By how much two looks at a process's start may differ."""
_OF_BOOT = 3_000_000_000
"""From here on, starts are counted by `_since_boot`; below, in seconds since 1970."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class ProcessName:
    """A process, also after its end: when it began tells it from a later one with its number.

    Attributes:
        host: Name of its machine.
        pid: Its number there.
        started: When it began, in seconds: on Linux since a moment that only this boot has, so that
            the clock may be set; on other systems, and in names of earlier versions, since 1970.
    """

    host: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.started}"

    @staticmethod
    def read(text: str) -> ProcessName | None:
        """Read what `str` wrote; None if it is something else."""
        host, *numbers = text.rsplit("-", 2)
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            return None
        return ProcessName(host=host, pid=int(numbers[0]), started=int(numbers[1]))

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine; of others, nothing can be told."""
        return self.host == socket.gethostname()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have ended."""
        import psutil  # takes a moment

        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            is_of_boot = self.started >= _OF_BOOT
            began = _since_boot(self.pid) if is_of_boot else process.create_time()
            return abs(began - self.started) > CLOCK_SECONDS
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            return True
        except psutil.AccessDenied:  # another user's: its start is not ours to know
            return False


def this_process() -> ProcessName:
    """The process that asks."""
    return _named(os.getpid())


@cache  # the same name at all times, though the clock is set
def _named(pid: int) -> ProcessName:
    import psutil

    try:
        started = _since_boot(pid)
    except OSError:  # another system
        started = int(psutil.Process(pid).create_time())
    return ProcessName(host=socket.gethostname(), pid=pid, started=started)


def _since_boot(pid: int) -> int:
    """When a process began, in seconds since a moment that the boot's random id stands for.

    psutil's seconds since 1970 change with the clock: Linux keeps those since the boot.

    Raises:
        OSError: It has ended, or this is not Linux.
    """
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    moment = _OF_BOOT + zlib.crc32(_BOOT_ID.read_bytes())
    return moment + int(ticks) // os.sysconf("SC_CLK_TCK")
