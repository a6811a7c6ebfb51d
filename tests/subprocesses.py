"""Running a piece of Python in a fresh interpreter, for what cannot be tried in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

HANG = 300  # seconds; a guard against deadlocks, not a measurement


def run_python(*code: str, env: dict[str, str] | None = None, fails: bool = False) -> str:
    """Run the pieces of `code` in turn and return what they printed; they must succeed unless `fails`.

    The tests' own modules can be imported there. A death by a signal is never accepted.
    """
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", "\n".join(textwrap.dedent(piece) for piece in code)],
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG,
        env={**os.environ, "PYTHONPATH": path, **(env or {})},
    )
    report = f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert (done.returncode != 0) == fails, report
    assert done.returncode >= 0, report
    return done.stdout + (done.stderr if fails else "")
