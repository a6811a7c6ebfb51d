"""What is run on the code: ./scripts/test.sh SESSION..., or nox -s SESSION... where nox is installed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"

CPP = [str(path) for pattern in ("*.cpp", "*.h") for path in sorted(Path("src/cpp").glob(pattern))]
PYTHON = ["src", "tests", "benchmarks", "docs", "examples", "noxfile.py"]

# A build without CUDA is enough for the tests, and torch's own default on Linux is gigabytes. No index that pip knows
# may have it: then the tests that need torch are skipped.
CPU_TORCH = os.environ.get("FASTBLUR_CPU_TORCH", "torch==2.13.0+cpu")

# A process of tests for each processor. Some tests take a thousand times as long as others.
PYTEST = ("pytest", "--numprocesses=auto", "--dist=worksteal")
# The matrices of the tests are small: threads of the linear algebra would only wait for each other.
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}

# One file for each way in which an instruction set can differ from the others.
ISA_TESTS = [
    "tests/test_gaussian_error.py",
    "tests/test_kernel_size.py",
    "tests/test_pixelate.py",
    "tests/test_fill.py",
    "tests/test_weights.py",
    "tests/test_constants.py",
    "tests/test_outside.py",
    "tests/test_layouts.py",
]
# Files that reach every line of C++ with few or small images; these tests cost about three times as much here.
SANITIZED_TESTS = [
    "tests/test_boxes.py",
    "tests/test_borders.py",
    "tests/test_layouts.py",
    "tests/test_order.py",
    "tests/test_out.py",
    "tests/test_outside.py",
    "tests/test_pixelate.py",
    "tests/test_weights.py",
    "tests/test_constants.py",
]
UNMASKED_TESTS = ["tests/test_layouts.py", "tests/test_outside.py"]


def install_fastblur(session: nox.Session, *options: str, extras: str = "") -> None:
    """Build and install this tree; FASTBLUR_WERROR=ON turns warnings into errors."""
    werror = os.environ.get("FASTBLUR_WERROR", "OFF")
    session.install(f".{extras}", f"-Ccmake.define.FASTBLUR_WERROR={werror}", *options)


def install_torch(session: nox.Session) -> None:
    """A build of torch for the CPU, if there is one for this interpreter."""
    session.run("python", "-m", "pip", "install", "--quiet", "--only-binary=:all:", CPU_TORCH, success_codes=[0, 1])


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and lint, of Python and C++."""
    session.install("--group", "lint")
    session.run("ruff", "check", *PYTHON)
    session.run("ruff", "format", "--check", *PYTHON)
    session.run("clang-format", "--dry-run", "--Werror", *CPP)


@nox.session
def types(session: nox.Session) -> None:
    """mypy, and the stub of the compiled module against the module."""
    install_fastblur(session, "--group", "types", extras="[dataset]")
    session.run("mypy")
    session.run("python", "-m", "mypy.stubtest", "fastblur._core", "--allowlist", "scripts/stubtest_allowlist.txt")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, with all that they can use but a GPU. Arguments go to pytest."""
    install_fastblur(session, "--group", "test", extras="[dataset]")
    install_torch(session)
    # The objects of each instruction set are looked at, too.
    build = max(Path("build").glob("cp*"), key=lambda folder: folder.stat().st_mtime).resolve()
    env = {"FASTBLUR_BUILD_DIR": str(build), **ONE_BLAS_THREAD}
    session.run(*PYTEST, "-m", "not wheel and not simulator", *session.posargs, env=env)


@nox.session
def isa(session: nox.Session) -> None:
    """The error bounds at every instruction set that this processor runs, and with the lanes of the widest in loops."""
    install_fastblur(session, "--group", "test")
    said = session.run(
        "python", "-c", "import fastblur, json; print(json.dumps(fastblur.build_info()['isa_supported']))", silent=True
    )
    levels: list[str] = json.loads(str(said).splitlines()[-1])

    def test(level: str) -> None:
        session.run(*PYTEST, "-q", *ISA_TESTS, *session.posargs, env={"FASTBLUR_ISA": level, **ONE_BLAS_THREAD})

    for level in levels:
        test(level)
    install_fastblur(session, "-Cbuild-dir=build/portable", "-Ccmake.define.FASTBLUR_PORTABLE_LANES=16")
    test("baseline")


@nox.session
def sanitize(session: nox.Session) -> None:
    """The C++ under AddressSanitizer and UndefinedBehaviorSanitizer; GCC or Clang on Linux."""
    if platform.system() != "Linux":
        session.skip("the sanitizers are preloaded, which this does on Linux only")
    session.install("--group", "test")
    session.install(
        ".",
        "-Cbuild-dir=build/sanitize",
        "-Cinstall.strip=false",
        "-Ccmake.define.FASTBLUR_SANITIZE=address,undefined",
    )
    compiler = os.environ.get("CXX") or shutil.which("g++") or "c++"
    libraries = ["libasan.so", "libubsan.so", "libstdc++.so"]
    found = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in libraries
    ]
    preload = " ".join(str(Path(path).resolve()) for path in found if os.path.isabs(path))
    env = {
        **ONE_BLAS_THREAD,
        "LD_PRELOAD": preload,
        # The interpreter frees little when it ends.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    session.run(*PYTEST, "-q", *(session.posargs or SANITIZED_TESTS), env=env)
    # What reads and writes rows without masks, which the best instruction set may have.
    session.run(*PYTEST, "-q", *(session.posargs or UNMASKED_TESTS), env={**env, "FASTBLUR_ISA": "baseline"})


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel and the source distribution: built, repaired, and used without a compiler."""
    session.install("--group", "test", "numpy")
    folder = Path(session.create_tmp()) / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    (built,) = folder.glob("*.whl")
    if platform.system() == "Linux":
        session.run("auditwheel", "show", str(built))
    session.install("--force-reinstall", "--no-deps", str(built))  # the tests' own modules import fastblur
    session.run("pytest", "-q", "tests/test_wheel.py", *session.posargs, env={"FASTBLUR_WHEEL": str(built.resolve())})


@nox.session
def cuda(session: nox.Session) -> None:
    """The CUDA kernels without a GPU: in Numba's simulator, and compiled and assembled for real devices."""
    install_fastblur(session, "--group", "test", "--group", "cuda-simulator")
    # The simulator is chosen once per process, so each kind of test has processes of its own.
    session.run(*PYTEST, "-q", "-m", "simulator", "tests/cuda", *session.posargs)
    session.run(*PYTEST, "-q", "-m", "not simulator", "tests/cuda", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """The benchmarks; see benchmarks/README.md. Arguments go to benchmarks.run."""
    install_fastblur(session, "--group", "bench")
    session.run("python", "-m", "benchmarks.run", *session.posargs)
