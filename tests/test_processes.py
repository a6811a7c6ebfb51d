"""Promise: fork (before use, after use, from any thread), spawn, DataLoader workers and interpreter exit all work."""

from __future__ import annotations

import os

import pytest
from subprocesses import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

PRELUDE = """
    import os, sys, threading, warnings
    import numpy as np
    import fastblur
    warnings.simplefilter("ignore", DeprecationWarning)  # that fork and threads do not mix is why this test is here
    image = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    boxes = [(x, y, x + 60, y + 60) for y in range(0, 400, 50) for x in range(0, 300, 50)]

    def answer(threads=4):
        return fastblur.gaussian_blur(image, boxes, 9, num_threads=threads).tobytes()

    def child():
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if answer() == expected and answer(1) == expected else 3)
            finally:
                os._exit(4)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
EXPECTED = "expected = answer(1)"


def test_fork_before_use() -> None:
    """The parent learns the answer from its first child, so that neither has used anything before the fork."""
    code = """
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(write, __import__("hashlib").sha256(answer()).digest())
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert os.read(read, 32) == __import__("hashlib").sha256(answer()).digest()
    """
    run_python(PRELUDE, code)


def test_fork_after_use() -> None:
    code = """
        for _ in range(5):
            assert answer() == expected
            assert child() == 0
        assert answer() == expected
    """
    run_python(PRELUDE, EXPECTED, code)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_a_forked_child_starts_threads_of_its_own() -> None:
    """The parent's are not there after a fork: without new ones the child would be right, but on one core."""
    code = """
        def threads():
            return len(os.listdir("/proc/self/task"))

        before = threads()
        answer()
        assert threads() > before
        pid = os.fork()
        if pid == 0:
            before = threads()
            answer()
            os._exit(0 if threads() > before else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """
    run_python(PRELUDE, code)


def test_fork_of_a_fork() -> None:
    code = """
        assert answer() == expected
        pid = os.fork()
        if pid == 0:
            os._exit(0 if answer() == expected and child() == 0 and answer() == expected else 5)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert answer() == expected
    """
    run_python(PRELUDE, EXPECTED, code)


def test_fork_from_another_thread() -> None:
    code = """
        assert answer() == expected
        codes = []
        for _ in range(5):
            thread = threading.Thread(target=lambda: codes.append(child()))
            thread.start(); thread.join()
        assert codes == [0] * 5, codes
        assert answer() == expected
    """
    run_python(PRELUDE, EXPECTED, code)


def test_fork_while_other_threads_are_inside() -> None:
    """The pool is busy, its locks are held by threads that the child does not have."""
    code = """
        stop = threading.Event()
        wrong = []

        def busy():
            while not stop.is_set():
                if answer() != expected:
                    wrong.append(1)

        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads: thread.start()
        codes = [child() for _ in range(25)]
        stop.set()
        for thread in threads: thread.join()
        assert codes == [0] * 25, codes
        assert not wrong
    """
    run_python(PRELUDE, EXPECTED, code)


def test_fork_before_and_use_after_in_both() -> None:
    """Parent and child go on at the same time."""
    code = """
        answer()
        pid = os.fork()
        good = all(answer() == expected for _ in range(10))
        if pid == 0:
            os._exit(0 if good else 3)
        assert good
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """
    run_python(PRELUDE, EXPECTED, code)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "script.py")
    with open(script, "w") as file:
        file.write(
            "import multiprocessing, warnings\n"
            "import numpy as np, fastblur\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "def task(seed):\n"
            "    image = np.random.default_rng(seed).integers(0, 256, (200, 200, 3), dtype=np.uint8)\n"
            "    return fastblur.gaussian_blur(image, None, 9).tobytes()\n"
            "def main():\n"
            "    expected = [task(seed) for seed in range(8)]\n"
            f"    with multiprocessing.get_context({method!r}).Pool(3) as pool:\n"
            "        assert pool.map(task, range(8)) == expected\n"
            "        assert [task(seed) for seed in range(8)] == expected\n"
        )
    run_python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import script; script.main()")


@pytest.mark.parametrize(("context", "epochs"), [("fork", 2), ("spawn", 1)])
def test_torch_data_loader(context: str, epochs: int, tmp_path: os.PathLike[str]) -> None:
    """Workers that blur, after the parent has; inside a worker the default is one thread."""
    pytest.importorskip("torch")
    script = os.path.join(tmp_path, "script.py")
    with open(script, "w") as file:
        file.write(
            "import warnings\n"
            "import torch, fastblur\n"
            "from torch.utils.data import DataLoader, Dataset\n"
            "warnings.simplefilter('ignore', DeprecationWarning)\n"
            "class Faces(Dataset):\n"
            "    def __len__(self): return 12\n"
            "    def __getitem__(self, i):\n"
            "        image = torch.full((3, 120, 100), i, dtype=torch.uint8)\n"
            "        image[:, ::2] += 7 * i\n"
            "        blurred = fastblur.gaussian_blur(image, [(5, 5, 90, 100)], 0.1, relative=True)\n"
            "        return i, blurred, fastblur.get_num_threads()\n"
            "def main():\n"
            "    fastblur.gaussian_blur(torch.zeros(3, 500, 500), None, 9, num_threads=4)\n"
            f"    loader = DataLoader(Faces(), batch_size=3, num_workers=2, multiprocessing_context={context!r})\n"
            f"    for _ in range({epochs}):\n"
            "        seen = 0\n"
            "        for index, batch, threads in loader:\n"
            "            assert threads.tolist() == [1] * 3, threads\n"
            "            for i, image in zip(index.tolist(), batch):\n"
            "                assert torch.equal(image, Faces()[i][1])\n"
            "                seen += 1\n"
            "        assert seen == 12\n"
        )
    run_python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import script; script.main()")


@pytest.mark.parametrize(
    "ending",
    [
        "pass",
        "sys.exit()",
        "threading.Thread(target=loop, daemon=True).start(); answer()",
        "[threading.Thread(target=loop, daemon=True).start() for _ in range(4)]; answer()",
        "threading.Thread(target=answer).start()",
        "import atexit; atexit.register(answer)",
        "[child() for _ in range(2)]",
        "os._exit(0)",
    ],
)
def test_interpreter_exit(ending: str) -> None:
    """With the pool started, and with threads still inside it."""
    code = """
        def loop():
            while True:
                answer()

        answer()
        ENDING
    """.replace("ENDING", ending)
    run_python(PRELUDE, EXPECTED, code)


def test_import_in_a_thread_that_ends() -> None:
    code = """
        import threading
        def first():
            import numpy as np, fastblur
            fastblur.gaussian_blur(np.zeros((300, 300), np.uint8), None, 9, num_threads=3)
        thread = threading.Thread(target=first); thread.start(); thread.join()
        import numpy as np, fastblur
        fastblur.gaussian_blur(np.zeros((300, 300), np.uint8), None, 9, num_threads=3)
    """
    run_python(code)
