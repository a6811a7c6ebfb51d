"""Promise: every instruction set of the build keeps the bounds; uint8 and uint16 have the same bits on all of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from subprocesses import run_python

import fastblur

LEVELS = ["baseline", "avx2", "avx512"]

# Prints a digest of every integer result; `check` has held each of them, and the floats, to the reference.
CODE = """
    import hashlib
    import numpy as np
    import fastblur
    from oracle import BORDER_MODES, check
    from strategies import PATTERNS, RANGES, stretch
    STRENGTHS = {"auto": (0.6, 2.0, 4.4, 5.0, 13.0, 90.0), "direct": (0.6, 2.0, 13.0), "kernel_size": (3, 9, 41),
                 "pixelate": (2, 7.5, 64), "fill": (200,)}
    SHAPES = [(1, 1), (7, 1, 3), (1, 33, 2), (31, 47), (64, 65, 3), (17, 300, 4), (130, 130, 1)]
    for dtype in ("uint8", "uint16", "float16", "float32"):
        for kind, strengths in STRENGTHS.items():
            rng = np.random.default_rng(1)
            digest = hashlib.sha256()
            for number, shape in enumerate(SHAPES):
                for strength in strengths:
                    image = stretch(PATTERNS[number % 5](shape, rng), dtype, *RANGES[dtype][number % 2])
                    options = {"shape": ("rectangle", "ellipse")[number % 2], "feather": (0, 3)[number % 2]}
                    if kind not in ("pixelate", "fill"):
                        options["border_mode"] = BORDER_MODES[number % 3]
                    box = (0, 0, shape[1], shape[0]) if number % 2 else (1, -2, shape[1] + 0.5, shape[0] + 1)
                    digest.update(check(kind, image, box, strength, **options).tobytes())
            if dtype.startswith("uint"):
                print("digest", dtype, kind, digest.hexdigest())
"""

# Views whose pixels do not lie together, in place, against dense copies of the same orientation; what lies around and
# between their pixels stays as it is.
STRIDED = """
    import numpy as np
    from oracle import DTYPES, bits, call
    STRENGTHS = (("auto", 0.7), ("auto", 4.0), ("direct", 2.0), ("kernel_size", 5), ("pixelate", 3), ("fill", 7))
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for channels in (1, 2, 3, 4):
            for gap in (1, 2):  # from one channel to the next
                part = np.s_[1 : gap * channels + 1 : gap]
                for step in range(1, 10):
                    base = rng.integers(0, 256, (4, 72 * step, gap * channels + 1)).astype(dtype)
                    for width in range(1, 71):
                        columns = np.s_[step : step * (width + 1) : step]
                        for sign in (1, -1):
                            kind, strength = STRENGTHS[(width + step + sign) % len(STRENGTHS)]
                            after = base.copy()
                            view = after[:, columns, part][:, ::sign]
                            dense = np.ascontiguousarray(view[:, ::sign])[:, ::sign]
                            call(kind, dense, None, strength, out=dense)
                            call(kind, view, None, strength, out=view)
                            which = (dtype, channels, gap, step, width, sign, kind)
                            assert bits(view) == bits(dense), which
                            after[:, columns, part] = base[:, columns, part]
                            assert bits(after) == bits(base), which
"""


def levels_here() -> list[str]:
    """The levels that were built and that this machine can run."""
    return [level for level in LEVELS if level in fastblur.build_info()["isa_supported"]]


@pytest.fixture(scope="module")
def digests() -> dict[str, list[str]]:
    outputs = {level: run_python(CODE, env={"FASTBLUR_ISA": level}) for level in levels_here()}
    return {level: re.findall("^digest .*$", output, re.M) for level, output in outputs.items()}


def test_every_level_runs_and_integers_have_the_same_bits(digests: dict[str, list[str]]) -> None:
    assert digests
    first = next(iter(digests.values()))
    assert len(first) == 10
    for level, lines in digests.items():
        assert lines == first, level


@pytest.mark.parametrize("level", LEVELS)
def test_pixels_apart_at_every_level(level: str) -> None:
    if level not in levels_here():
        pytest.skip(f"{level} is not built, or this machine cannot run it")
    run_python(STRIDED, env={"FASTBLUR_ISA": level})


@pytest.mark.parametrize("level", LEVELS)
def test_forced_level_is_active(level: str) -> None:
    if level not in levels_here():
        pytest.skip(f"{level} is not built, or this machine cannot run it")
    code = "import fastblur; print(fastblur.build_info()['isa'])"
    assert run_python(code, env={"FASTBLUR_ISA": level}).strip() == level


@pytest.mark.parametrize("level", ["avx1024", "", "AVX 2"])
def test_unknown_level(level: str) -> None:
    """Empty is as unset; anything else unknown is refused, with the names that are accepted."""
    code = "import numpy as np, fastblur; fastblur.gaussian_blur(np.zeros((9, 9), np.uint8), None, 2)"
    said = run_python(code, env={"FASTBLUR_ISA": level}, fails=bool(level))
    if level:
        assert "FASTBLUR_ISA" in said
        assert level in said
        assert "baseline" in said


@pytest.mark.skipif(
    not os.environ.get("FASTBLUR_BUILD_DIR"), reason="FASTBLUR_BUILD_DIR does not name a build directory"
)
@pytest.mark.skipif(not shutil.which("nm"), reason="no nm here")
def test_no_weak_symbols_in_the_objects_of_an_instruction_set() -> None:
    """A weak function compiled for AVX-512 may be the copy that the linker keeps for all: a crash on older machines."""
    objects = [
        path
        for path in Path(os.environ["FASTBLUR_BUILD_DIR"]).rglob("*.o")
        if any(level in str(path.relative_to(os.environ["FASTBLUR_BUILD_DIR"])) for level in LEVELS)
    ]
    assert objects, "no object of any instruction set in FASTBLUR_BUILD_DIR"
    for path in objects:
        listing = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        weak = [line for line in listing.splitlines() if re.search(r" [WwVvu] ", line)]
        assert not weak, f"{path.name}: {weak[:5]}"
