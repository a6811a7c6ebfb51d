"""Compile kernels to PTX and assemble them, without a device: python ahead_of_time.py PTXAS KERNEL...

Prints one JSON line per specialisation and architecture. A process of its own, since Numba decides once whether it is
the simulator.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

from numba.cuda import dispatcher

from fastblur.cuda.kernels import BY_IMAGE, COMPUTE_CAPABILITY, Key, canonical, compile_ptx

ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
DTYPES = ("uint8", "uint16", "float16", "float32")


def assemble(ptxas: str, key: Key, architecture: str, path: Path) -> dict[str, object]:
    command = [ptxas, f"-arch={architecture}", "-v", str(path), "-o", str(path.with_suffix(f".{architecture}.cubin"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{key}: {done.stderr}")

    def number(pattern: str) -> int:
        found = re.search(pattern, done.stderr)
        return int(found.group(1)) if found else -1

    return {
        "kernel": "-".join(map(str, key)),
        "architecture": architecture,
        "registers": number(r"Used (\d+) registers"),
        "stack": number(r"(\d+) bytes stack frame"),
        "spill_stores": number(r"(\d+) bytes spill stores"),
        "spill_loads": number(r"(\d+) bytes spill loads"),
    }


def main(ptxas: str, names: list[str]) -> None:
    # Numba asks the device at hand for its capability even where the kernel's is given.
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=COMPUTE_CAPABILITY)
    contiguous = (True, False)
    keys = sorted(
        {
            canonical(Key(name, dtype, words))
            for name in names
            for dtype in DTYPES
            for words in (contiguous if name in BY_IMAGE and name != "copy" else (True,))
        }
    )
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        jobs = []
        for key in keys:
            path = Path(folder) / f"{'-'.join(map(str, key))}.ptx"
            path.write_text(compile_ptx(key))
            jobs += [pool.submit(assemble, ptxas, key, architecture, path) for architecture in ARCHITECTURES]
        for job in jobs:
            print(json.dumps(job.result()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
