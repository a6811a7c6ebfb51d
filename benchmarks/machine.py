"""What the figures were measured on."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import fastblur
from benchmarks import ipp, native

MODULES = ("numpy", "cv2", "PIL", "scipy", "torch")


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def cpu_model() -> str:
    """The CPU's own name for itself."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"^(?:model name|CPU part)\s*: (.+)$", info.read_text(), re.MULTILINE)
        if names:
            return str(names[0])
    if platform.system() == "Darwin":
        return _first_line(["sysctl", "-n", "machdep.cpu.brand_string"])
    return platform.processor() or platform.machine()


def caches() -> dict[str, str]:
    """Size of each cache that core 0 sees, as Linux tells it; empty elsewhere."""
    result = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        result[f"L{level} {kind.lower()}"] = size
    return result


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """Processes that wanted a core over the last minute, this one among them."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def versions() -> dict[str, str]:
    """Version of every peer's library that is installed."""
    result = {}
    for name in MODULES:
        try:
            result[name] = str(importlib.import_module(name).__version__)
        except ImportError:
            continue
    with contextlib.suppress(native.UnavailableError, importlib.metadata.PackageNotFoundError):
        result["ipp"] = f"{importlib.metadata.version('ipp')} ({ipp.load().variant})"
    return result


def describe() -> dict[str, Any]:
    """The machine and the builds; what changes from run to run (load, date, seed) is kept with each result."""
    cc = native.compiler()
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "caches": caches(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "c compiler of native.c": _first_line([cc, "--version"]) if cc else None,
        "fastblur": fastblur.build_info(),
        "versions": versions(),
    }


def slug() -> str:
    """A file name for the machine: its CPU, which may not say more than its make, its instruction set and its cores."""
    isa = fastblur.build_info()["isa"]
    name = re.sub(r"\(r\)|\(tm\)|\b(cpu|processor)\b|@.*", "", cpu_model().lower())
    return f"{re.sub(r'[^a-z0-9]+', '-', name).strip('-')}-{isa}-{cores()}-cores"
