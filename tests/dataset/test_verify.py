"""`verify` finds one wrong byte of evidence, and a forger who keeps the manifest's hashes right."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from fastblur.dataset import manifest
from fastblur.dataset.parameters import digest

from .trees import FACE, annotate, blur, content, lines, photo, pixels, rows, save, tree, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "n0/image0"


@pytest.fixture(params=[".png", ".jpg"])
def done(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> tuple[Path, Path, Path, str]:
    """A finished run: source, output, annotations, and the name of an obfuscated image in it."""
    src, boxes = tree(tmp_path, ending=request.param)
    assert blur(src, tmp_path / "dst", boxes) == 0
    assert verify(src, tmp_path / "dst", boxes) == 0
    capsys.readouterr()
    return src, tmp_path / "dst", boxes, NAME + request.param


def forge(dst: Path, name: str, data: bytes | None, **changes: Any) -> None:
    """Replace an output, and make the manifest agree with it in every hash and count."""
    if data is not None:
        (dst / name).write_bytes(data)
        changes.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    header, *found, _ = lines(dst)
    found = [row | changes if row["path"] == name else row for row in found]
    seal(dst, header, found)


def seal(dst: Path, header: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """Write a manifest of these rows with all digests right."""
    header = {key: value for key, value in header.items() if key != "digest"}
    header = {"digest": digest(header), **header}
    tally = manifest.Tally()
    for row in found:
        tally.add(row)
    body = b"".join(map(manifest.line, [header, *found]))
    summary = {**lines(dst)[-1]["summary"], **tally.as_json(), "sha256_of_lines": hashlib.sha256(body).hexdigest()}
    summary.pop("digest")
    summary["digest"] = digest(summary)
    manifest.path_of(dst).write_bytes(body + manifest.line({"summary": summary}))


def findings(
    done: tuple[Path, Path, Path, str], capsys: pytest.CaptureFixture[str], *, boxes: bool = True
) -> list[str]:
    src, dst, annotations, _ = done
    code = verify(src, dst, annotations if boxes else None)
    found = capsys.readouterr().out.splitlines()
    assert code == bool(found)
    return found


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "jpeg" if name.endswith("jpg") else "png", **options)
    return file.getvalue()


def test_sealing_alone_changes_nothing(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    header, *found, _ = lines(done[1])
    seal(done[1], header, found)
    assert findings(done, capsys) == []


def test_one_byte_of_any_output(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _, dst, _, _ = done
    for name, data in content(dst).items():
        for position in (5, len(data) // 2, len(data) - 1):
            (dst / name).write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            found = findings(done, capsys)
            assert found
            assert all(line.startswith(f"{name}: ") for line in found)
        (dst / name).write_bytes(data + b"\0")
        assert findings(done, capsys)
        (dst / name).write_bytes(data)
    assert findings(done, capsys) == []


def test_one_byte_of_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path)
    dst = tmp_path / "dst"
    assert blur(src, dst, boxes) == 0
    record = manifest.path_of(dst)
    whole = record.read_bytes()
    for position in [*range(0, len(whole), 61), len(whole) - 1]:
        record.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        capsys.readouterr()
        assert verify(src, dst, boxes) in (1, 2), f"byte {position}"
        told = capsys.readouterr()
        assert "dst.manifest.jsonl" in told.out + told.err or "image" in told.out + told.err
    record.write_bytes(whole)
    assert verify(src, dst, boxes) == 0


@pytest.mark.parametrize("boxes", [True, False])
def test_a_clear_image_with_the_right_hashes(done: Any, capsys: pytest.CaptureFixture[str], boxes: bool) -> None:
    src, dst, _, name = done
    forge(dst, name, (src / name).read_bytes())
    assert any(line.startswith(f"{name}: frame 0, box") for line in findings(done, capsys, boxes=boxes))


@pytest.mark.parametrize("boxes", [True, False])
def test_a_weaker_blur_with_the_right_hashes(done: Any, capsys: pytest.CaptureFixture[str], boxes: bool) -> None:
    src, dst, _, name = done
    blurred, clear = pixels(dst / name).astype(float), pixels(src / name).astype(float)
    options = {"qtables": Image.open(src / name).quantization} if name.endswith("jpg") else {}  # type: ignore[attr-defined]
    weaker = Image.fromarray((0.8 * blurred + 0.2 * clear).round().astype(np.uint8))
    forge(dst, name, encoded(weaker, name, **options))
    assert any("levels from obfuscated" in line for line in findings(done, capsys, boxes=boxes))


@pytest.mark.parametrize("boxes", [True, False])
def test_a_change_outside_the_boxes(done: Any, capsys: pytest.CaptureFixture[str], boxes: bool) -> None:
    _, dst, _, name = done
    changed = pixels(dst / name)
    changed[55:63, 80:95] ^= 0x3F
    forge(dst, name, encoded(Image.fromarray(changed), name))
    assert any("outside the boxes" in line for line in findings(done, capsys, boxes=boxes))


def test_a_preview_put_back_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path, ending=".jpg")
    dst, name = tmp_path / "dst", "n0/image0.jpg"
    assert blur(src, dst, boxes) == 0
    data = (dst / name).read_bytes()
    for hidden in ((src / name).read_bytes(), b"\xff\xd8\xff\xe0"):
        forge(dst, name, data + hidden)
        capsys.readouterr()
        assert verify(src, dst, boxes) == 1
        assert "still holds: trailing-data" in capsys.readouterr().out
    comment = b"\xff\xfe" + (2 + 5).to_bytes(2, "big") + b"hello"
    forge(dst, name, data[:2] + comment + data[2:])
    assert verify(src, dst, boxes) == 1
    assert "still holds: comment" in capsys.readouterr().out


def test_other_boxes_in_the_manifest(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    src, dst, boxes, name = done
    moved = annotate(dst.parent / "moved.json", {n: [(60.0, 40.0, 90.0, 60.0)] for n in content(src)})
    assert blur(src, dst.parent / "other", moved) == 0
    row = rows(dst.parent / "other")[name]
    forge(dst, name, (dst.parent / "other" / name).read_bytes(), boxes=row["boxes"])
    capsys.readouterr()
    assert verify(src, dst, None) == 0
    assert "annotations were not checked" in capsys.readouterr().err
    assert any(line.startswith(f"{name}: boxes should be") for line in findings((src, dst, boxes, name), capsys))


def test_a_box_that_the_run_never_saw(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    src, _, boxes, name = done
    annotate(boxes, {n: [FACE, (70.0, 5.0, 90.0, 25.0)] for n in content(src)})
    found = findings(done, capsys)
    assert any("other annotations" in line for line in found)
    assert any(line.startswith(f"{name}: boxes") for line in found)


def drop_file(dst: Path, name: str) -> str:
    (dst / name).unlink()
    return name


def add_file(dst: Path, name: str) -> str:
    shutil.copy(dst / name, dst / "extra.png")
    return "extra.png"


def add_temporary(dst: Path, name: str) -> str:
    (dst / ".fastblur-1-1.tmp").touch()
    return ".fastblur-1-1.tmp"


def link_file(dst: Path, name: str) -> str:
    shutil.move(dst / name, dst.parent / "elsewhere")
    (dst / name).symlink_to(dst.parent / "elsewhere")
    return name


def drop_row_and_file(dst: Path, name: str) -> str:
    (dst / name).unlink()
    header, *found, _ = lines(dst)
    seal(dst, header, [row for row in found if row["path"] != name])
    return name


def double_row(dst: Path, name: str) -> str:
    header, *found, _ = lines(dst)
    seal(dst, header, [*found, found[0]])
    return str(found[0]["path"])


def invent_row(dst: Path, name: str) -> str:
    header, *found, _ = lines(dst)
    seal(dst, header, [*found, {"path": "ghost.png", "status": "skipped"}])
    return "ghost.png"


def call_it_left_out(dst: Path, name: str) -> str:
    (dst / name).unlink()
    forge(dst, name, None, status="left-out", reason="damaged")
    return name


def call_it_excluded(dst: Path, name: str) -> str:
    (dst / name).unlink()
    forge(dst, name, None, status="excluded")
    return name


@pytest.mark.parametrize(
    "tamper",
    [
        drop_file,
        add_file,
        add_temporary,
        link_file,
        drop_row_and_file,
        double_row,
        invent_row,
        call_it_left_out,
        call_it_excluded,
    ],
)
def test_files_and_rows_that_do_not_match(
    done: Any, capsys: pytest.CaptureFixture[str], tamper: Callable[[Path, str], str]
) -> None:
    name = tamper(done[1], done[3])
    assert any(line.startswith(f"{name}: ") for line in findings(done, capsys))


def test_weaker_parameters_in_a_sealed_header(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _, dst, _, name = done
    header, *found, _ = lines(dst)
    header["parameters"]["strength"] = 0.01
    header["parameters"]["min_strength"] = 0.5
    seal(dst, header, found)
    assert any(line.startswith(f"{name}: boxes should be") for line in findings(done, capsys))


def test_a_copied_image_that_changed(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _, dst, _, name = done
    copied = name.replace("image0", "image2")
    forge(dst, copied, encoded(photo(99), name))
    assert f"{copied}: the output is not the source, byte for byte" in findings(done, capsys)


def test_a_source_that_changed(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    src, _, _, name = done
    save(src / name, photo(99))
    assert any(line.startswith(f"{name}: ") for line in findings(done, capsys))


def test_an_unfinished_run(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    record = manifest.path_of(done[1])
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[:-1]))
    assert "dst.manifest.jsonl: it has no summary: the run did not end" in findings(done, capsys)


def test_what_is_no_manifest_is_an_error_of_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path)
    (tmp_path / "dst").mkdir()
    assert verify(src, tmp_path / "dst", boxes) == 2
    for text in ("", "x", "[]\n", '{"digest": 1, "parameters": {}}\n', json.dumps({"digest": "x"}) + "\n"):
        (tmp_path / "dst.manifest.jsonl").write_text(text)
        capsys.readouterr()
        assert verify(src, tmp_path / "dst", boxes) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_jpeg_blocks_leave_every_other_coefficient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path, ending=".jpg")
    dst, name = tmp_path / "dst", "n0/image0.jpg"
    assert blur(src, dst, boxes, "--jpeg", "blocks") == 0
    assert verify(src, dst, boxes) == 0
    again = encoded(Image.fromarray(pixels(dst / name)), name, quality=60)
    forge(dst, name, again)
    capsys.readouterr()
    assert verify(src, dst, boxes) == 1
    assert name in capsys.readouterr().out


def test_every_mode_and_format_is_verified(tmp_path: Path) -> None:
    src = tmp_path / "src"
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = (
            Image.fromarray(np.array(photo(5, mode="L"), np.uint16) * 257) if mode == "I;16" else photo(5, mode=mode)
        )
        save(src / f"{mode}.png".replace(";", ""), image)
    for name in ("a.jpg", "a.webp", "a.tif", "a.bmp"):
        save(src / name, photo(6))
    save(src / "cmyk.jpg", photo(7, mode="CMYK"))
    save(src / "grey.jpg", photo(8, mode="L"))
    boxes = annotate(tmp_path / "boxes.json", {name: [FACE] for name in content(src)})
    for method in ("gaussian", "pixelate", "fill"):
        assert blur(src, tmp_path / method, boxes, "--method", method) == 0, rows(tmp_path / method)
        assert verify(src, tmp_path / method, boxes) == 0
