"""The same tree comes out: boxes obfuscated, nothing else changed, nothing lost, nothing clear by mistake."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fastblur import cli
from fastblur.dataset import worker
from fastblur.dataset.files import jpeg_blocks, jpeg_markers
from fastblur.dataset.twins import Twins

from .files import builders
from .trees import FACE, annotate, blur, content, lines, photo, pixels, rows, save, tree, verify

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_tree_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path)
    before = content(src)
    assert blur(src, tmp_path / "dst", boxes) == 0
    assert content(src) == before
    after = content(tmp_path / "dst")
    assert after.keys() == before.keys()
    for i in range(6):
        name = f"n{i % 2}/image{i}.png"
        if i % 3 == 2:
            assert after[name] == before[name]
        else:
            old, new = pixels(src / name), pixels(tmp_path / "dst" / name)
            assert np.abs(new[12:48, 22:58].astype(int) - old[12:48, 22:58]).mean() > 10
            outside = np.ones(old.shape[:2], dtype=bool)
            outside[2:58, 12:68] = False
            np.testing.assert_array_equal(new[outside], old[outside])
    assert "4 obfuscated" in capsys.readouterr().out
    assert verify(src, tmp_path / "dst", boxes) == 0


def test_the_manifest_stands_beside_the_output_and_tells_what_was_done(tmp_path: Path) -> None:
    src, boxes = tree(tmp_path)
    assert blur(src, tmp_path / "dst", boxes) == 0
    header, *found, last = lines(tmp_path / "dst")
    assert header["parameters"]["method"] == "gaussian"
    assert len(header["digest"]) == 64
    assert [row["path"] for row in found] == sorted(content(src))
    assert found[0]["boxes"] == [[*FACE, 6.0]]
    assert last["summary"]["status"] == {"copied": 2, "obfuscated": 4}
    assert last["summary"]["boxes"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.json", "dst", "dst.manifest.jsonl", "src"]


def test_the_manifest_holds_no_hash_of_clear_images_unless_asked(tmp_path: Path) -> None:
    import hashlib

    src, boxes = tree(tmp_path)
    hidden = [
        hashlib.sha256(data).hexdigest() for name, data in content(src).items() if not name.endswith(("2.png", "5.png"))
    ]
    assert blur(src, tmp_path / "plain", boxes) == 0
    assert blur(src, tmp_path / "hashed", boxes, "--hash-sources") == 0
    plain, hashed = ((tmp_path / f"{name}.manifest.jsonl").read_text() for name in ("plain", "hashed"))
    assert not any(digest in plain for digest in hidden)
    assert all(digest in hashed for digest in hidden)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_does_not_show(tmp_path: Path, workers: int) -> None:
    src, boxes = tree(tmp_path, images=40, ending=".jpg")
    assert blur(src, tmp_path / "one", boxes) == 0
    assert blur(src, tmp_path / "dst", boxes, workers=workers) == 0
    assert content(tmp_path / "dst") == content(tmp_path / "one")


class TestRefusals:
    def refused(self, capsys: pytest.CaptureFixture[str], code: int, *fragments: str) -> None:
        error = capsys.readouterr().err
        assert code == 2
        assert error.count("\n") == 1
        for fragment in fragments:
            assert fragment in error

    def test_annotations_of_another_tree(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        src, _ = tree(tmp_path, images=6)
        boxes = annotate(tmp_path / "other.json", {f"x/{i}.png": [FACE] for i in range(5)} | {"n0/image0.png": []})
        code = blur(src, tmp_path / "dst", boxes, "--unannotated", "copy")
        self.refused(capsys, code, "1 of 6", "x/0.png", "n0/image2.png")
        assert not (tmp_path / "dst").exists()
        assert not (tmp_path / "dst.manifest.jsonl").exists()

    def test_images_without_annotation(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        src, boxes = tree(tmp_path)
        save(src / "forgotten.JPEG", photo(9))
        self.refused(capsys, blur(src, tmp_path / "dst", boxes), "--unannotated", "forgotten.JPEG")
        assert not (tmp_path / "dst").exists()

    def test_folders_in_one_another(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        src, boxes = tree(tmp_path)
        (tmp_path / "link").symlink_to(src)
        for dst in (src, src / "dst", tmp_path, tmp_path / "link", tmp_path / "link" / "x"):
            self.refused(capsys, blur(src, dst, boxes), "neither inside the other")

    def test_an_output_folder_that_is_in_use(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        src, boxes = tree(tmp_path)
        (tmp_path / "dst").mkdir()
        (tmp_path / "dst" / "mine.txt").touch()
        self.refused(capsys, blur(src, tmp_path / "dst", boxes), "not empty")
        assert blur(src, tmp_path / "done", boxes) == 0
        capsys.readouterr()
        self.refused(capsys, blur(src, tmp_path / "done", boxes), "--resume")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--method", "fill", "--strength", "1"], "--strength has no meaning"),
            (["--value", "1,2,3"], "--value has no meaning"),
            (["--method", "fill", "--value", "1,2,300"], "imagenet-mean"),
            (["--strength", "-1"], "--strength is -1.0"),
            (["--strength", "nan"], "--strength is nan"),
            (["--strength", "0", "--min-strength", "0"], "obfuscates nothing"),
            (["--labels", "face"], "carry no labels"),
            (["--columns", "path=x"], "--format csv"),
            (["--workers", "0"], "--workers is 0"),
            (["--exclude", "nowhere"], "nowhere"),
        ],
    )
    def test_options_that_make_no_sense(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
    ) -> None:
        src, boxes = tree(tmp_path)
        self.refused(capsys, blur(src, tmp_path / "dst", boxes, *options), message)

    def test_missing_things(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        src, boxes = tree(tmp_path)
        self.refused(capsys, blur(src, tmp_path / "dst", tmp_path / "none.json"), "does not exist")
        self.refused(capsys, blur(tmp_path / "none", tmp_path / "dst", boxes), "not a folder")


class TestLeftOut:
    def test_what_cannot_be_done_safely_is_left_out_and_listed(self, tmp_path: Path) -> None:
        src, _ = tmp_path / "src", None
        good = save(src / "good.png", photo(1))
        (src / "truncated.png").write_bytes(good.read_bytes()[:-200])
        (src / "damaged.png").write_bytes(good.read_bytes()[:60] + bytes(100) + good.read_bytes()[160:])
        save(src / "empty-box.png", photo(2))
        save(src / "outside.png", photo(3))
        exif = Image.Exif()
        exif[0x0112] = 6
        save(src / "turned.jpg", photo(4), exif=exif)
        (src / "movie.png").write_bytes(b"\0\0\0\x18ftypheic")
        boxes = annotate(
            tmp_path / "boxes.json",
            {
                **{name: [FACE] for name in ("good.png", "truncated.png", "damaged.png", "turned.jpg", "movie.png")},
                "empty-box.png": [(5, 5, 5, 9)],
                "outside.png": [(200, 200, 220, 220)],
            },
        )
        assert blur(src, tmp_path / "dst", boxes) == 1
        assert list(content(tmp_path / "dst")) == ["good.png"]
        reasons = {path: row.get("reason") for path, row in rows(tmp_path / "dst").items()}
        assert reasons["truncated.png"] in ("truncated", "damaged")
        assert reasons["damaged.png"] in ("truncated", "damaged")
        assert reasons == {
            **reasons,
            "good.png": None,
            "empty-box.png": "box-empty",
            "outside.png": "box-outside",
            "turned.jpg": "orientation",
            "movie.png": "not-an-image",
        }
        assert verify(src, tmp_path / "dst", boxes) == 0

    def test_a_missing_image_is_listed(self, tmp_path: Path) -> None:
        src, _ = tree(tmp_path, images=120)
        boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in [*content(src), "n0/gone.png"]})
        assert blur(src, tmp_path / "dst", boxes) == 1
        assert rows(tmp_path / "dst")["n0/gone.png"]["reason"] == "missing"
        assert len(content(tmp_path / "dst")) == 120
        assert verify(src, tmp_path / "dst", boxes) == 0

    def test_other_files_are_listed_unless_they_are_to_be_copied(self, tmp_path: Path) -> None:
        src, boxes = tree(tmp_path)
        (src / "n0" / "Thumbs.db").write_bytes(b"clear thumbnails")
        assert blur(src, tmp_path / "dst", boxes) == 1
        assert rows(tmp_path / "dst")["n0/Thumbs.db"]["reason"] == "not-an-image"
        assert not (tmp_path / "dst" / "n0" / "Thumbs.db").exists()
        assert blur(src, tmp_path / "all", boxes, "--copy-other") == 0
        assert (tmp_path / "all" / "n0" / "Thumbs.db").read_bytes() == b"clear thumbnails"
        assert verify(src, tmp_path / "dst", boxes) == 0
        assert verify(src, tmp_path / "all", boxes) == 0

    def test_an_annotated_file_of_a_foreign_format_is_never_copied(self, tmp_path: Path) -> None:
        src, _ = tree(tmp_path)
        (src / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
        boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in content(src)})
        assert blur(src, tmp_path / "dst", boxes, "--copy-other") == 1
        assert not (tmp_path / "dst" / "phone.heic").exists()

    def test_links_do_not_escape(self, tmp_path: Path) -> None:
        src, _ = tree(tmp_path)
        outside = save(tmp_path / "outside" / "secret.png", photo(50))
        (src / "out.png").symlink_to(outside)
        (src / "in.png").symlink_to(src / "n0" / "image0.png")
        (src / "folder").symlink_to(tmp_path / "outside")
        (src / "loop").symlink_to(src / "n1")
        (src / "broken.png").symlink_to("nowhere")
        os.mkfifo(src / "pipe")
        names = [f"n{i % 2}/image{i}.png" for i in range(6)]
        boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in [*names, "out.png", "in.png"]})
        assert blur(src, tmp_path / "dst", boxes) == 1
        assert sorted(content(tmp_path / "dst")) == sorted([*names, "in.png"])
        assert not (tmp_path / "dst" / "in.png").is_symlink()
        reasons = {path: row["reason"] for path, row in rows(tmp_path / "dst").items() if "reason" in row}
        assert reasons == {
            "out.png": "link-leaves-tree",
            "folder": "link-leaves-tree",
            "loop": "link-to-folder",
            "broken.png": "link-broken",
            "pipe": "special-file",
        }
        assert verify(src, tmp_path / "dst", boxes) == 0

    def test_a_name_like_a_temporary_file(self, tmp_path: Path) -> None:
        src, _ = tree(tmp_path)
        save(src / "n0" / ".fastblur-1-1.tmp", photo(9), format="png")
        boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in content(src)})
        assert blur(src, tmp_path / "dst", boxes) == 1
        assert rows(tmp_path / "dst")["n0/.fastblur-1-1.tmp"]["reason"] == "reserved-name"
        assert verify(src, tmp_path / "dst", boxes) == 0

    def test_too_many_pixels(self, tmp_path: Path) -> None:
        src, boxes = tree(tmp_path)
        assert blur(src, tmp_path / "dst", boxes, "--max-pixels", "6000") == 1
        assert {row.get("reason") for row in rows(tmp_path / "dst").values()} == {"too-large", None}

    def test_ambiguous_annotations(self, tmp_path: Path) -> None:
        src = tmp_path / "src"
        for i in range(250):
            save(src / f"x/{i}.bmp", photo(1, 8, 8))
        save(src / "y/0.bmp", photo(2, 8, 8))
        boxes = annotate(tmp_path / "b.json", {f"{i}.bmp": [(1, 1, 7, 7)] for i in range(250)})
        assert blur(src, tmp_path / "dst", boxes, "--unannotated", "copy") == 1
        found = rows(tmp_path / "dst")
        assert found["x/0.bmp"]["reason"] == found["y/0.bmp"]["reason"] == "ambiguous-annotation"
        assert len(content(tmp_path / "dst")) == 249


@pytest.mark.parametrize("choice", ["copy", "skip"])
def test_images_without_annotation_are_copied_or_skipped_on_request(tmp_path: Path, choice: str) -> None:
    src, boxes = tree(tmp_path)
    extra = save(src / "extra.png", photo(9))
    assert blur(src, tmp_path / "dst", boxes, "--unannotated", choice) == 0
    output = tmp_path / "dst" / "extra.png"
    assert (output.read_bytes() == extra.read_bytes()) if choice == "copy" else not output.exists()
    assert rows(tmp_path / "dst")["extra.png"]["status"] == {"copy": "copied", "skip": "skipped"}[choice]
    assert verify(src, tmp_path / "dst", boxes) == 0


def test_excluded_images_folders_and_classes_stay_out_and_are_counted(tmp_path: Path) -> None:
    src, _ = tree(tmp_path, images=8)
    save(src / "deep/n9/a.png", photo(9))
    save(src / "deep/n8/b.png", photo(10))
    boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in [*content(src), "n9/never.png"]})
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("# not these\nn1/\n\nn0/image0.png\nn9\n")
    assert blur(src, tmp_path / "dst", boxes, "--exclude", str(exclude)) == 0
    assert sorted(content(tmp_path / "dst")) == ["deep/n8/b.png", "n0/image2.png", "n0/image4.png", "n0/image6.png"]
    assert lines(tmp_path / "dst")[-1]["summary"]["status"] == {"excluded": 6, "obfuscated": 4}
    assert verify(src, tmp_path / "dst", boxes) == 0


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, boxes = tree(tmp_path)
    (src / "notes.txt").touch()
    assert blur(src, tmp_path / "dst", boxes, "--dry-run") == 0
    told = capsys.readouterr().out
    for fragment in ("4 images with boxes", "2 images without boxes", "4 boxes", "1 not images"):
        assert fragment in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.json", "src"]


def test_identical_images_with_different_boxes_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, _ = tree(tmp_path)
    save(src / "twin.png", photo(0))
    boxes = annotate(tmp_path / "b.json", {name: [FACE] for name in content(src)} | {"twin.png": []})
    assert blur(src, tmp_path / "dst", boxes) == 0
    assert lines(tmp_path / "dst")[-1]["summary"]["twins"] == {"groups": 1, "examples": [["n0/image0.png", "twin.png"]]}
    assert "identical images have different boxes" in capsys.readouterr().err


def test_images_that_differ_where_no_tag_looks_are_no_twins(tmp_path: Path) -> None:
    src, _ = tree(tmp_path)
    image = np.zeros((200, 100, 3), np.uint8)
    for number in range(3):
        image[131, 50] = 255 * (number > 0)
        save(src / f"{number}.bmp", Image.fromarray(image))
    assert len({worker.tag((src / f"{number}.bmp").read_bytes(), bytes(32)) for number in range(3)}) == 1
    found = {name: [FACE] for name in content(src)} | {"0.bmp": [(5, 5, 30, 30)], "1.bmp": [(5, 5, 40, 40)]}
    assert blur(src, tmp_path / "dst", annotate(tmp_path / "b.json", found)) == 0
    assert lines(tmp_path / "dst")[-1]["summary"]["twins"] == {"groups": 1, "examples": [["1.bmp", "2.bmp"]]}


def test_the_chroma_of_a_jpeg_stays_as_it_is_where_no_box_is(tmp_path: Path) -> None:
    image = Image.fromarray(builders.photo(96, 160))
    save(tmp_path / "src" / "a.jpg", image, quality=92, subsampling="4:2:0")
    boxes = annotate(tmp_path / "b.json", {"a.jpg": [(20, 20, 40, 40)]})
    assert blur(tmp_path / "src", tmp_path / "dst", boxes) == 0
    before, after = (
        jpeg_blocks.read(data, jpeg_markers.parse(data)).coef_arrays
        for data in ((tmp_path / folder / "a.jpg").read_bytes() for folder in ("src", "dst"))
    )
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(old[:, 32:], new[:, 32:])
        assert (old[:, :32] != new[:, :32]).any()


def test_twins_of_which_one_has_gone_are_still_reported(tmp_path: Path) -> None:
    twins = Twins()
    (tmp_path / "a").write_bytes(b"same")
    twins.add({"path": path, "tag": "1", "boxes": [[0, 0, x, 1, 4]]} for path, x in (("a", 1), ("gone", 2)))
    assert twins.as_json(tmp_path) == {"groups": 1, "examples": [["a", "gone"]]}


@pytest.mark.parametrize("length", [0, 1, 511, 513, 4096, 4097, 5000, 100_000])
def test_a_tag_looks_at_both_ends_and_at_all_of_a_small_file(length: int) -> None:
    source = bytearray(length)
    clear = worker.tag(bytes(source), bytes(32))
    assert clear not in (worker.tag(bytes(length + 1), bytes(32)), worker.tag(bytes(source), bytes(31) + b"1"))
    for place in range(length) if length <= 4096 else (0, length - 1):
        source[place] = 1
        assert worker.tag(bytes(source), bytes(32)) != clear, place
        source[place] = 0


def test_a_file_system_that_tells_no_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src, boxes = tree(tmp_path)
    true = os.fstat
    monkeypatch.setattr(worker.os, "fstat", lambda fd: os.stat_result([*true(fd)[:6], 0, *true(fd)[7:]]))
    assert blur(src, tmp_path / "dst", boxes, "--workers", "1") == 0
    assert len(content(tmp_path / "dst")) == len(content(src))


def test_hostile_names_survive(tmp_path: Path) -> None:
    src = tmp_path / "src"
    names = [
        "new\nline.png",
        "'quote\".png",
        "<b>.png",
        " space .png",
        "-dash.png",
        "ü日本.png",
        os.fsdecode(b"\xff\xfe.png"),
    ]
    for i, name in enumerate(names):
        save(src / name, photo(i), format="png")
    table = tmp_path / "b.csv"
    import csv

    with table.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "x1", "y1", "x2", "y2"])
        writer.writerows([name, *FACE] for name in names)
    assert blur(src, tmp_path / "dst", table, form="csv") == 0
    assert sorted(content(tmp_path / "dst")) == sorted(names)
    assert {row["status"] for row in rows(tmp_path / "dst").values()} == {"obfuscated"}
    assert verify(src, tmp_path / "dst", table, "csv") == 0
    assert cli.main(["report", str(tmp_path / "dst")]) == 0
    assert "<b>.png" not in (tmp_path / "dst.report.html").read_text()


def test_a_full_disk_ends_the_run_with_one_line_and_it_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    src, boxes = tree(tmp_path, images=12)
    assert blur(src, tmp_path / "whole", boxes) == 0
    real, calls = worker._write, 0

    def full(data: bytes, final: Path) -> str:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise worker.OutputError("writing x: No space left on device")
        return real(data, final)

    monkeypatch.setattr(worker, "_write", full)
    capsys.readouterr()
    assert blur(src, tmp_path / "dst", boxes) == 2
    assert capsys.readouterr().err == "fastblur: error: writing x: No space left on device\n"
    assert not [name for name in content(tmp_path / "dst") if "fastblur" in name]
    monkeypatch.setattr(worker, "_write", real)
    assert blur(src, tmp_path / "dst", boxes, "--resume") == 0
    assert content(tmp_path / "dst") == content(tmp_path / "whole")


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "wider", "rekognition", "openimages", "csv"])
def test_every_format_gives_the_same_output_as_imagenets(tmp_path: Path, form: str) -> None:
    src, boxes = tree(tmp_path)
    names = list(content(src))
    faces = {name: [] if name.endswith(("2.png", "5.png")) else [(24, 16, 72, 48)] for name in names}
    boxes = annotate(tmp_path / "imagenet.json", faces)
    path = tmp_path / form
    if form == "coco":
        images = [{"id": i, "file_name": name, "width": 96, "height": 64} for i, name in enumerate(names)]
        rows_ = [{"image_id": i, "bbox": [24, 16, 48, 32]} for i, name in enumerate(names) if faces[name]]
        path.write_text(json.dumps({"images": images, "annotations": rows_}))
    elif form in ("yolo", "voc"):
        for name in names:
            file = (path / name).with_suffix(".txt" if form == "yolo" else ".xml")
            file.parent.mkdir(parents=True, exist_ok=True)
            corner = "<bndbox><xmin>25</xmin><ymin>17</ymin><xmax>72</xmax><ymax>48</ymax></bndbox>"
            item = f"<object><name>face</name>{corner}</object>" if faces[name] else ""
            row = "0 0.5 0.5 0.5 0.5\n" if faces[name] else ""
            file.write_text(row if form == "yolo" else f"<annotation>{item}</annotation>")
    elif form == "wider":
        path.write_text(
            "".join(f"{n}\n{len(faces[n])}\n{'24 16 48 32' if faces[n] else '0 0 0 0'} 0 0 0 0 0 0\n" for n in names)
        )
    elif form == "rekognition":
        box = {"Left": 0.25, "Top": 0.25, "Width": 0.5, "Height": 0.5}
        path.write_text(json.dumps({n: {"FaceDetails": [{"BoundingBox": box}] if faces[n] else []} for n in names}))
    elif form == "openimages":
        table = "".join(
            f"{n.rpartition('.')[0]},{'0.25,0.75,0.25,0.75' if faces[n] else ',,,'},/m/0dzct\n" for n in names
        )
        path.write_text("ImageID,XMin,XMax,YMin,YMax,LabelName\n" + table)
    else:
        path.write_text("path,x1,y1,x2,y2\n" + "".join(f"{n},{'24,16,72,48' if faces[n] else ',,,'}\n" for n in names))
    assert blur(src, tmp_path / "expected", boxes) == 0
    assert blur(src, tmp_path / "dst", path, form=form) == 0
    assert content(tmp_path / "dst") == content(tmp_path / "expected")
    assert verify(src, tmp_path / "dst", path, form) == 0
