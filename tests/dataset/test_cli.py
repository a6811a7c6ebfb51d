"""The command line: help, one-line errors, silence where there is no terminal."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fastblur import cli
from fastblur.dataset.annotations import READERS

from .trees import FACE, annotate, blur, content, photo, rows, save, tree

if TYPE_CHECKING:
    from pathlib import Path


def test_the_formats_offered_are_those_that_are_read() -> None:
    assert set(cli.FORMATS) == set(READERS)


@pytest.mark.parametrize("command", ["blur", "verify", "report", "info"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    assert f"examples:\n  fastblur {command}" in capsys.readouterr().out


def test_the_help_gives_the_reason_of_the_default_strength(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["blur", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for fragment in ("41 identities", "0.05 x the face's diagonal", "16 cells", "0.15 x the longer side"):
        assert fragment in told


def test_a_missing_library_is_named_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    src, boxes = tree(tmp_path)
    real = importlib.util.find_spec

    def find_spec(name: str) -> Any:
        return None if name == "simplejpeg" else real(name)

    monkeypatch.setattr(cli, "find_spec", find_spec)
    assert blur(src, tmp_path / "dst", boxes) == 2
    assert capsys.readouterr().err == (
        "fastblur: error: this command needs simplejpeg: pip install 'fastblur[dataset]'\n"
    )


def test_nothing_but_the_result_is_told_where_there_is_no_terminal(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    command = [sys.executable, "-m", "fastblur.cli", "blur", str(src), str(tmp_path / "dst"), "--workers", "1"]
    done = subprocess.run([*command, "--boxes", str(boxes), "--format", "imagenet"], capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.startswith(b"2 copied, 4 obfuscated; 4 boxes; ")


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path)
    assert blur(src, tmp_path / "dst", boxes, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_info_tells_versions_and_what_is_in_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    told = capsys.readouterr().out
    assert "isa" in told
    assert "simplejpeg" in told
    image = save(tmp_path / "a.jpg", photo(), comment=b"hello")
    (tmp_path / "b.txt").touch()
    assert cli.main(["info", str(image), str(tmp_path / "b.txt")]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "jpeg 96x64 RGB, frames 1, orientation 1" in first
    assert "comment" in first
    assert "not-an-image" in second


def test_only_the_labels_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "src" / "a.png", photo())
    table = tmp_path / "b.csv"
    table.write_text("path,x1,y1,x2,y2,label\na.png,5,5,20,20,face\na.png,50,30,80,60,dog\n")
    assert blur(tmp_path / "src", tmp_path / "dst", table, "--labels", "face", form="csv") == 0
    assert [box[:4] for box in rows(tmp_path / "dst")["a.png"]["boxes"]] == [[5, 5, 20, 20]]
    assert blur(tmp_path / "src", tmp_path / "other", table, "--labels", "fase", form="csv") == 2
    assert "'fase'" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_boxes_of_displayed_images(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "src" / "a.jpg", photo(), exif=exif)
    boxes = annotate(tmp_path / "b.json", {"a.jpg": [(0, 0, 20, 40)]})
    assert blur(tmp_path / "src", tmp_path / "shown", boxes, "--boxes-orientation", "displayed") == 0
    assert rows(tmp_path / "shown")["a.jpg"]["boxes"] == [[0, 44, 40, 64, 6.0]]
    assert blur(tmp_path / "src", tmp_path / "stored", boxes, "--boxes-orientation", "stored") == 0
    assert rows(tmp_path / "stored")["a.jpg"]["boxes"] == [[0, 0, 20, 40, 6.0]]


def test_the_report_is_one_file_that_needs_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path)
    (src / "<script>.txt").touch()
    assert blur(src, tmp_path / "dst", boxes) == 1
    assert cli.main(["report", str(tmp_path / "dst")]) == 0
    page = (tmp_path / "dst.report.html").read_text()
    for fragment in ("not-an-image", "&lt;script&gt;.txt", "Slowest files", "4 boxes obfuscated", "files/s"):
        assert fragment in page
    assert "<script" not in page
    assert "<img" not in page
    assert "http" not in page
    output = tmp_path / "sheet.html"
    options = ["--contact-sheet", str(src), "--samples", "3", "--output", str(output)]
    assert cli.main(["report", str(tmp_path / "dst"), *options]) == 0
    page = output.read_text()
    assert page.count('<img alt="" src="data:image/jpeg;base64,') == 6
    assert "clear images" in page


def test_a_report_of_nothing_is_an_error_of_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(tmp_path / "dst")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_face_annotated_twice_is_blurred_once(tmp_path: Path) -> None:
    save(tmp_path / "src" / "a.png", photo())
    once = annotate(tmp_path / "once.json", {"a.png": [FACE]})
    twice = annotate(tmp_path / "twice.json", {"a.png": [FACE, FACE]})
    assert blur(tmp_path / "src", tmp_path / "one", once) == 0
    assert blur(tmp_path / "src", tmp_path / "two", twice) == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
