"""Whatever ends a run, and whenever: `--resume` gives the tree that an uninterrupted run gives."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from fastblur.dataset import disk, manifest, run

from .trees import FACE, annotate, blur, content, lines, photo, rows, save, tree, verify

if TYPE_CHECKING:
    from pathlib import Path

    from fastblur.dataset.manifest import Row

KILLS = 50


def essence(dst: Path) -> dict[str, Row]:
    """The manifest's rows less what differs between any two runs."""
    return {
        path: {key: value for key, value in row.items() if key not in ("ms", "tag")} for path, row in rows(dst).items()
    }


def start(src: Path, dst: Path, boxes: Path, workers: int) -> int:
    """Run the command in a forked process; its id."""
    pid = os.fork()
    if pid == 0:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        os._exit(blur(src, dst, boxes, "--resume", workers=workers))
    return pid


def wait_for(pid: int, dst: Path, files: int) -> None:
    """Return when the output has so many files, or the process has ended (it stays to be waited for)."""
    while len(list(dst.rglob("*.jpg"))) < files:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return


@pytest.mark.parametrize(("workers", "kills"), [(1, KILLS), (2, 10)])
def test_kill_9_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, kills: int) -> None:
    monkeypatch.setattr(run, "_SYNC_EVERY", 6)
    src, boxes = tree(tmp_path, images=60, ending=".jpg")
    assert blur(src, tmp_path / "whole", boxes) == 0
    expected, rows_expected = content(tmp_path / "whole"), essence(tmp_path / "whole")
    moments = random.Random(9)
    killed = completed = 0
    while killed < kills:
        dst = tmp_path / f"dst{completed}"
        there = len(list(dst.rglob("*.jpg")))
        pid = start(src, dst, boxes, workers)
        # Somewhere between the first moment and the last file, and anywhere between two files.
        wait_for(pid, dst, moments.randint(there, len(expected)))
        time.sleep(moments.choice((0, moments.uniform(0, 0.01))))
        os.kill(pid, signal.SIGKILL)
        if os.waitpid(pid, 0)[1] == signal.SIGKILL:
            killed += 1
            assert all(expected[name] == data for name, data in content(dst).items() if name.endswith(".jpg"))
        else:
            completed += 1
            assert content(dst) == expected
    dst = tmp_path / f"dst{completed}"
    assert blur(src, dst, boxes, "--resume") == 0
    assert content(dst) == expected
    assert essence(dst) == rows_expected
    assert verify(src, dst, boxes) == 0
    assert not dst.with_name(dst.name + ".manifest.key").exists()


def test_a_manifest_cut_at_any_byte_is_picked_up(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    dst = tmp_path / "dst"
    assert blur(src, dst, boxes) == 0
    expected, rows_expected = content(dst), essence(dst)
    record = manifest.path_of(dst)
    whole = record.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in [*range(first, len(whole), 97), len(whole) - 1]:
        record.write_bytes(whole[:cut])
        assert blur(src, dst, boxes, "--resume") == 0
        assert content(dst) == expected
        assert essence(dst) == rows_expected


def test_only_what_is_missing_is_done_again(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    dst = tmp_path / "dst"
    assert blur(src, dst, boxes) == 0
    expected = content(dst)
    kept = dst / "n0" / "image0.png"
    untouched = kept.stat().st_mtime_ns
    (dst / "n1" / "image1.png").unlink()
    (dst / "n1" / "image3.png").write_bytes(b"short")
    assert blur(src, dst, boxes, "--resume") == 0
    assert content(dst) == expected
    assert kept.stat().st_mtime_ns == untouched
    assert lines(dst)[-1]["summary"]["resumed"] == 4


def test_a_source_that_changed_is_done_again(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    dst = tmp_path / "dst"
    assert blur(src, dst, boxes) == 0
    save(src / "n0" / "image0.png", photo(77))
    assert blur(src, dst, boxes, "--resume") == 0
    assert verify(src, dst, boxes) == 0


def test_what_is_left_out_now_does_not_stay_from_before(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    dst = tmp_path / "dst"
    assert blur(src, dst, boxes) == 0
    (src / "n0" / "image0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert blur(src, dst, boxes, "--resume") == 1
    assert not (dst / "n0" / "image0.png").exists()
    assert verify(src, dst, boxes) == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--method", "fill"], "parameters"),
        (["--strength", "0.2"], "parameters"),
        (["--metadata", "strip"], "parameters"),
        (["--exclude", "{tmp}/exclude"], "exclude"),
        ([], "annotations"),
    ],
)
def test_other_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], named: str
) -> None:
    src, boxes = tree(tmp_path)
    dst = tmp_path / "dst"
    (tmp_path / "exclude").write_text("n0\n")
    assert blur(src, dst, boxes) == 0
    before = content(tmp_path)
    if named == "annotations":
        annotate(boxes, {name: [FACE] for name in content(src)})
        before = content(tmp_path)
    capsys.readouterr()
    assert blur(src, dst, boxes, "--resume", *(option.format(tmp=tmp_path) for option in options)) == 2
    assert f"other {named}" in capsys.readouterr().err
    assert content(tmp_path) == before


def test_the_number_of_workers_is_no_setting(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    assert blur(src, tmp_path / "dst", boxes) == 0
    assert blur(src, tmp_path / "dst", boxes, "--resume", workers=2) == 0


def test_a_row_is_written_after_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src, boxes = tree(tmp_path)
    real = manifest.Writer.add
    promised = []

    def add(self: manifest.Writer, content: list[Row]) -> None:
        for row in content:
            if row.get("status") in manifest.FINISHED:
                assert (tmp_path / "dst" / row["path"]).stat().st_size == row["bytes"]
                promised.append(row["path"])
        real(self, content)

    monkeypatch.setattr(manifest.Writer, "add", add)
    assert blur(src, tmp_path / "dst", boxes) == 0
    assert sorted(promised) == sorted(content(src))


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are looked up in /proc")
def test_every_output_leaves_the_systems_cache_once_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    src, boxes = tree(tmp_path)
    synced: list[str] = []
    forgotten = []
    real = disk.sync

    def sync(files: list[str], folder: Path) -> None:
        real(files, folder)
        synced.extend(files)

    def advise(descriptor: int, start: int, length: int, advice: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        assert path in synced
        assert (start, length, advice) == (0, 0, os.POSIX_FADV_DONTNEED)
        forgotten.append(path)
        raise OSError(errno.EINVAL, "a file system that does not take it")

    monkeypatch.setattr(disk, "sync", sync)
    monkeypatch.setattr(os, "posix_fadvise", advise)
    assert blur(src, tmp_path / "dst", boxes) == 0
    assert len(set(forgotten)) == len(content(src))
    assert content(tmp_path / "dst").keys() == content(src).keys()


def test_twins_are_found_across_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src, _ = tree(tmp_path)
    save(src / "twin.png", photo(0))
    boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in content(src)} | {"twin.png": []})
    dst = tmp_path / "dst"
    pid = os.fork()
    if pid == 0:
        run._Run._finish = lambda *_: os._exit(9)  # type: ignore[method-assign, assignment]
        blur(src, dst, boxes)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    (dst / "twin.png").unlink()
    monkeypatch.delattr(run.worker, "tag_of_file")  # the key was kept: no finished source is read again
    assert blur(src, dst, boxes, "--resume") == 0
    assert lines(dst)[-1]["summary"]["twins"]["examples"] == [["n0/image0.png", "twin.png"]]


def test_twins_are_found_after_the_run_that_made_one_of_them_was_complete(tmp_path: Path) -> None:
    src, _ = tree(tmp_path)
    names = {name: [FACE] for name in content(src)}
    boxes = annotate(tmp_path / "b.json", names | {"twin.png": [(5, 5, 30, 30)]})
    dst = tmp_path / "dst"
    whole = (src / "n0/image0.png").read_bytes()
    (src / "twin.png").write_bytes(whole[:-40])
    assert blur(src, dst, boxes) != 0
    assert [path.name for path in tmp_path.glob("*.key")] == []
    (src / "twin.png").write_bytes(whole)
    assert blur(src, dst, boxes, "--resume") == 0
    assert lines(dst)[-1]["summary"]["resumed"] == len(names)
    assert lines(dst)[-1]["summary"]["twins"]["examples"] == [["n0/image0.png", "twin.png"]]


def test_two_runs_do_not_work_on_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fastblur.dataset import disk

    src, boxes = tree(tmp_path)
    (tmp_path / "dst").mkdir()
    with disk.locked(tmp_path / "dst"):
        assert blur(src, tmp_path / "dst", boxes) == 2
    assert "another run" in capsys.readouterr().err
    assert blur(src, tmp_path / "dst", boxes) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_it_with_one_line_and_it_can_go_on(tmp_path: Path, workers: int) -> None:
    src, boxes = tree(tmp_path, images=400, ending=".jpg")
    dst = tmp_path / "dst"
    command = [sys.executable, "-m", "fastblur.cli", "blur", str(src), str(dst), "--boxes", str(boxes)]
    process = subprocess.Popen(
        [*command, "--format", "imagenet", "--workers", str(workers)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A test run in the background of a shell is one that ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it has no other threads
    )
    while process.poll() is None and not list(dst.rglob(".fastblur-*")):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error.decode() == "fastblur: error: interrupted; go on with --resume\n"
    assert not list(dst.rglob(".fastblur-*"))
    assert blur(src, dst, boxes, "--resume") == 0
    assert verify(src, dst, boxes) == 0
