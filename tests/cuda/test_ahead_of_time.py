"""Every specialisation of every kernel, compiled to PTX and assembled for each architecture, without a GPU."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastblur.cuda.kernels import BY_IMAGE, BY_WORD, SINGLE

# Registers per thread at most. Blocks have 256 threads: 128 let two run on a multiprocessor, 80 three, 64 four.
REGISTERS = {
    "small_spline": 128,
    "small_direct": 128,
    "spline_decimate": 96,
    "spline_rows": 128,
    "spline_columns": 96,
    "spline_interpolate": 96,
    "direct_weights": 80,
    "direct_rows": 112,
    "direct_columns": 112,
    "mosaic": 112,
    "cell_sums": 80,
    "cell_fill": 96,
    "fill": 80,
    "copy": 80,
}


def find_ptxas() -> str | None:
    """ptxas from the nvidia-cuda-nvcc wheel, else from the PATH."""
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(root).glob("*/bin/ptxas*")):
            return str(path)
    return shutil.which("ptxas")


@pytest.mark.parametrize("name", [*BY_IMAGE, *BY_WORD, *SINGLE])
def test_assembles_without_spills(name: str) -> None:
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed")
    ptxas = find_ptxas()
    if ptxas is None:
        pytest.skip("ptxas is not installed (wheel nvidia-cuda-nvcc)")
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    script = Path(__file__).with_name("ahead_of_time.py")
    done = subprocess.run(
        [sys.executable, str(script), ptxas, name], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert results
    for result in results:
        assert result["stack"] == result["spill_stores"] == result["spill_loads"] == 0, result
        assert 0 < result["registers"] <= REGISTERS[name], result
