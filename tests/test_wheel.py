"""Promise: the wheel works in an environment without a compiler, and the source distribution builds it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[1]

USE = """
import pathlib, sys
import numpy as np
import fastblur
from fastblur import reference

assert pathlib.Path(fastblur.__file__).is_relative_to(sys.prefix), fastblur.__file__
image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
for method, worst in (("auto", 1.5), ("direct", 0.51)):
    for sigma in (1.5, 12.0):
        blurred = fastblur.gaussian_blur(image, [(5, 6, 70, 71)], sigma, method=method)
        exact = reference.gaussian_blur(image, (5, 6, 70, 71), sigma)
        assert np.abs(blurred - exact).max() <= worst
assert (fastblur.fill(image, None, 3) == 3).all()
fastblur.pixelate(image, None, 7, out=image)
print(fastblur.build_info())
"""


def bare_environment(folder: Path) -> tuple[Path, dict[str, str]]:
    """A new virtual environment, and variables under which no compiler can be found."""
    venv.create(folder, with_pip=True)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV", "CC", "CXX")}
    env["PATH"] = str(binaries)
    return binaries / "python", env


def build(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that FASTBLUR_WHEEL names, else one that is built here."""
    if given := os.environ.get("FASTBLUR_WHEEL"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("wheel")
    build("pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (found,) = folder.glob("*.whl")
    return found


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("fastblur/__init__.py", "fastblur/py.typed", "fastblur/_core.pyi", "fastblur/reference.py"):
        assert wanted in names
    assert any(name.startswith("fastblur/_core") and name.endswith((".so", ".pyd")) for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    unwanted = [name for name in names if name.endswith((".cpp", ".hpp", ".h", ".o", ".a", ".pyc")) or "tests/" in name]
    assert not unwanted


def test_needs_numpy_alone(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    required = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert len(required) == 1
    assert required[0].startswith("Requires-Dist: numpy")


def test_used_without_a_compiler(wheel: Path, tmp_path: Path) -> None:
    python, env = bare_environment(tmp_path / "venv")

    def run(*arguments: str, isa: str = "") -> None:
        done = subprocess.run(
            [python, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**env, "FASTBLUR_ISA": isa},
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    run("-m", "pip", "install", "--quiet", "--only-binary", ":all:", str(wheel))
    run("-c", USE)
    run("-c", USE, isa="baseline")


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel is for Linux")
def test_repaired(wheel: Path, tmp_path: Path) -> None:
    """auditwheel finds a manylinux tag for it; the repaired wheel is used like the first."""
    pytest.importorskip("auditwheel")
    build("auditwheel", "repair", "--wheel-dir", str(tmp_path / "repaired"), str(wheel))
    (repaired,) = (tmp_path / "repaired").glob("*.whl")
    assert "manylinux" in repaired.name
    test_used_without_a_compiler(repaired, tmp_path)


def test_source_distribution(tmp_path: Path) -> None:
    """The archive has all that the build needs."""
    pytest.importorskip("build")
    build("build", "--sdist", "--outdir", str(tmp_path), str(ROOT))
    (archive,) = tmp_path.glob("*.tar.gz")
    build("pip", "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(archive))
    (found,) = tmp_path.glob("*.whl")
    test_contents(found)
