"""Files for libraries that only take a path, kept in memory where the system can do that.

A clear picture in the temporary folder would outlive a crash.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_path(data: bytes = b"") -> Iterator[str]:
    """A path that can be read and written while the context lasts, holding `data` at first."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("fastblur")
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(prefix="fastblur-") as folder:
        path = os.path.join(folder, "scratch")
        with open(path, "wb") as file:
            file.write(data)
        yield path
