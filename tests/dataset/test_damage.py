"""Damaged files: left out or obfuscated, never an end of the run, and `verify` agrees with `blur` on every one."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fastblur.dataset import check, files, worker
from fastblur.dataset.annotations import Entry
from fastblur.dataset.index import Item
from fastblur.dataset.parameters import Parameters

from .trees import FACE, annotate, blur, photo, rows, save, verify


def encoded(form: str) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    options = {"exif": exif} if form != "bmp" else {}
    photo(1).save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


ORIGINALS = {form: encoded(form) for form in ("jpeg", "png", "webp", "tiff", "bmp")}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(ORIGINALS[draw(st.sampled_from(sorted(ORIGINALS)))])
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(data) - 1) | st.integers(0, min(200, len(data) - 1)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "remove"]))
        if kind == "change":
            data[position] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[max(position, 1) :]
        elif kind == "insert":
            data[position:position] = draw(st.binary(min_size=1, max_size=20))
        elif len(data) > 10:
            del data[position : position + draw(st.integers(1, 9))]
    return bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged(), st.sampled_from(["gaussian", "imagenet2021"]), st.sampled_from(["pixels", "blocks"]))
def test_any_damage(data: bytes, method: str, jpeg: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        src, dst = Path(root) / "src", Path(root) / "dst"
        src.mkdir()
        (src / "a").write_bytes(data)
        parameters = Parameters(method=method, jpeg=jpeg, max_pixels=1 << 20)  # type: ignore[arg-type]
        job = worker.Job(src, dst, parameters, bytes(32))
        worker.start(job)
        worker._folders.clear()
        item = Item("a", None, True, [Entry("a", [FACE])])
        row, temporary = worker.run_one(item, job)
        assert row["status"] in ("obfuscated", "left-out")
        assert row.get("reason") != "failed", row
        if temporary is not None:
            output = Path(temporary).rename(dst / "a").read_bytes()
            assert files.previews(output, metadata="safe") == []
        assert check.check(check.Claim(item, row, False, False), job) == []


@pytest.mark.parametrize("form", ["tiff", "png", "webp"])
def test_every_frame_is_obfuscated_or_the_file_is_left_out(tmp_path: Path, form: str) -> None:
    frames = [photo(i) for i in range(3)]
    path = save(tmp_path / "src" / "a.img", frames[0], format=form, save_all=True, append_images=frames[1:])
    boxes = annotate(tmp_path / "b.json", {"a.img": [FACE]})
    code = blur(tmp_path / "src", tmp_path / "dst", boxes)
    if code == 1:
        assert rows(tmp_path / "dst")["a.img"]["reason"] == "multi-frame"
        return
    with Image.open(path) as before, Image.open(tmp_path / "dst" / "a.img") as after:
        assert after.n_frames == 3
        for i in range(3):
            before.seek(i)
            after.seek(i)
            box = (25, 15, 55, 45)
            assert before.convert("RGB").crop(box).tobytes() != after.convert("RGB").crop(box).tobytes()
    assert verify(tmp_path / "src", tmp_path / "dst", boxes) == 0
