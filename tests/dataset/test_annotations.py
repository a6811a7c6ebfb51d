"""Every reader reads its format's own conventions, and its traps do not catch it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastblur.dataset.annotations import READERS, AnnotationError, Entry, Labels, ReaderOptions

if TYPE_CHECKING:
    from pathlib import Path
from typing import ClassVar

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(form: str, path: Path, **options: object) -> list[Entry]:
    return list(READERS[form].read(path, ReaderOptions(**options)))  # type: ignore[arg-type]


def only(*labels: str) -> Labels:
    return Labels(frozenset(labels))


def text(tmp_path: Path, content: str, name: str = "boxes") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


class TestImageNet:
    def test_boxes_are_corners_in_pixels_and_may_be_none(self, tmp_path: Path) -> None:
        path = text(
            tmp_path,
            '[{"url": "train/n1/a.JPEG", "bboxes": [{"x0": 1, "y0": 2.5, "x1": 3, "y1": 4}]},'
            ' {"url": "train/n1/b.JPEG", "bboxes": []}]',
        )
        assert read("imagenet", path) == [
            Entry("train/n1/a.JPEG", [(1, 2.5, 3, 4)]),
            Entry("train/n1/b.JPEG", []),
        ]

    def test_validation_images_go_by_their_name_alone(self, tmp_path: Path) -> None:
        assert read("imagenet", text(tmp_path, '[{"url": "val/v.JPEG", "bboxes": []}]'))[0].key == "v.JPEG"

    @pytest.mark.parametrize("box", ['{"x0": 1, "y0": 2, "x1": 3}', '{"x0": "1", "y0": 2, "x1": 3, "y1": 4}', "null"])
    def test_a_malformed_box_is_the_images_problem_not_an_image_without_boxes(self, tmp_path: Path, box: str) -> None:
        (entry,) = read("imagenet", text(tmp_path, f'[{{"url": "a.jpg", "bboxes": [{box}]}}]'))
        assert entry.problem is not None
        assert entry.key == "a.jpg"

    @pytest.mark.parametrize("name", ["bboxes", "\\u0062boxes"])
    def test_boxes_given_twice_are_the_images_problem(self, tmp_path: Path, name: str) -> None:
        box = '{"x0": 1, "y0": 2, "x1": 3, "y1": 4}'
        (entry,) = read("imagenet", text(tmp_path, f'[{{"url": "a.jpg", "bboxes": [{box}], "{name}": []}}]'))
        assert entry.problem == "the member 'bboxes' occurs twice"
        (entry,) = read("imagenet", text(tmp_path, f'[{{"url": "a.jpg", "bboxes": [{box[:-1]}, "{name[:-2]}": 1}}]}}]'))
        assert entry.problem is None
        (entry,) = read("imagenet", text(tmp_path, f'[{{"url": "a.jpg", "bboxes": [{box[:-1]}, "x1": 9}}]}}]'))
        assert entry.problem == "the member 'x1' occurs twice"

    @pytest.mark.parametrize("rest", ["[" * 900 + "]" * 900, "1" * 5000, '"\\u00e9"', "{}"])
    def test_whatever_else_an_item_holds_is_looked_over(self, tmp_path: Path, rest: str) -> None:
        (entry,) = read("imagenet", text(tmp_path, f'[{{"url": "a.jpg", "bboxes": [], "more": {rest}}}]'))
        assert entry == Entry("a.jpg", []) or "cannot be read in whole" in (entry.problem or "")

    @pytest.mark.parametrize("content", ["", "{}", "[", '[{"bboxes": []}]', "[1]", '[{"url": "a", "bboxes": NaN}]'])
    def test_a_file_that_is_something_else_is_refused_by_name(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(AnnotationError, match="boxes"):
            read("imagenet", text(tmp_path, content))


class TestCoco:
    def file(self, tmp_path: Path, **changes: object) -> Path:
        content: dict[str, object] = {
            "images": [
                {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50},
                {"id": 8, "file_name": "b.jpg"},
            ],
            "annotations": [
                {"id": 1, "image_id": 7, "bbox": [10, 20, 30.5, 4], "category_id": 0},
                {"id": 2, "image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 5},
            ],
            "categories": [{"id": 0, "name": "face"}, {"id": 5, "name": "plate"}],
        }
        return text(tmp_path, json.dumps({**content, **changes}))

    def test_boxes_are_corner_and_size_and_belong_to_images_by_id(self, tmp_path: Path) -> None:
        assert read("coco", self.file(tmp_path)) == [
            Entry("a.jpg", [], size=(100, 50)),
            Entry("b.jpg", []),
            Entry("a.jpg", [(10, 20, 40.5, 24)]),
            Entry("a.jpg", [(1, 2, 4, 6)]),
        ]

    def test_a_second_list_of_annotations_is_an_error(self, tmp_path: Path) -> None:
        path = text(tmp_path, '{"images": [], "annotations": [], "annotations": []}')
        with pytest.raises(AnnotationError, match="the key 'annotations' occurs twice"):
            read("coco", path)

    def test_a_member_given_twice_is_a_problem_or_an_error(self, tmp_path: Path) -> None:
        content = self.file(tmp_path).read_text()
        path = text(tmp_path, content.replace('"category_id": 5', '"category_id": 5, "bbox": [1, 1, 1, 1]'))
        problems = [entry.problem for entry in read("coco", path) if entry.problem]
        assert problems == ["annotations[1]: the member 'bbox' occurs twice"]
        path = text(tmp_path, content.replace('"file_name": "b.jpg"', '"file_name": "b.jpg", "file_name": "c.jpg"'))
        with pytest.raises(AnnotationError, match=r"images\[1\]: the member 'file_name' occurs twice"):
            read("coco", path)
        for again in ("width", "w\\u0069dth"):
            path = text(tmp_path, content.replace('"width": 100', f'"width": 100, "{again}": 90'))
            with pytest.raises(AnnotationError, match=r"images\[0\]: the member 'width' occurs twice"):
                read("coco", path)

    @pytest.mark.parametrize("label", ["face", "0"])
    def test_labels_are_names_or_ids_of_categories(self, tmp_path: Path, label: str) -> None:
        entries = read("coco", self.file(tmp_path), labels=only(label))
        assert [entry.boxes for entry in entries if entry.boxes] == [[(10, 20, 40.5, 24)]]

    def test_an_annotation_without_a_box_is_a_problem(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, annotations=[{"image_id": 8, "segmentation": []}])
        assert [entry.key for entry in read("coco", path) if entry.problem] == ["b.jpg"]

    def test_an_annotation_of_an_unknown_image_is_refused(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, annotations=[{"image_id": 99, "bbox": [1, 2, 3, 4]}])
        with pytest.raises(AnnotationError, match=r"annotations\[0\].*99"):
            read("coco", path)

    def test_an_id_used_twice_is_refused(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, images=[{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}])
        with pytest.raises(AnnotationError, match="used before"):
            read("coco", path)


class TestYolo:
    def test_boxes_are_given_by_their_centre_in_fractions(self, tmp_path: Path) -> None:
        text(tmp_path, "0 0.5 0.5 0.2 0.4\n1 0.25 0.5 0.5 1 0.9\n", "a.txt")
        (entry,) = read("yolo", tmp_path)
        assert entry.key == "a"
        assert entry.normalised
        assert entry.boxes == [pytest.approx((0.4, 0.3, 0.6, 0.7)), pytest.approx((0, 0, 0.5, 1))]

    def test_an_empty_file_means_an_image_without_boxes(self, tmp_path: Path) -> None:
        text(tmp_path, "\n", "a.txt")
        assert read("yolo", tmp_path) == [Entry("a", [], normalised=True)]

    def test_the_folder_labels_stands_for_the_folder_images(self, tmp_path: Path) -> None:
        text(tmp_path, "", "labels/train/a.b.txt")
        assert [entry.key for entry in read("yolo", tmp_path)] == ["images/train/a.b"]

    def test_lists_of_class_names_are_no_annotations(self, tmp_path: Path) -> None:
        text(tmp_path, "face\n", "classes.txt")
        assert read("yolo", tmp_path) == []

    @pytest.mark.parametrize(
        "row", ["0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2", "0 0.5 0.5 0.2", "0 0.5 0.5 0.2 x", "0 nan 1 1 1"]
    )
    def test_polygons_and_other_rows_are_a_problem_that_names_the_line(self, tmp_path: Path, row: str) -> None:
        text(tmp_path, f"0 0.5 0.5 0.2 0.4\n{row}\n", "a.txt")
        (entry,) = read("yolo", tmp_path)
        assert entry.problem is not None
        assert "line 2" in entry.problem
        assert entry.boxes == []

    def test_labels_are_class_numbers(self, tmp_path: Path) -> None:
        text(tmp_path, "0 0.5 0.5 0.2 0.4\n1 0.25 0.5 0.5 1\n", "a.txt")
        assert len(read("yolo", tmp_path, labels=only("1"))[0].boxes) == 1


class TestVoc:
    def xml(self, objects: str, name: str = "a.jpg") -> str:
        size = "<size><width>100</width><height>50</height></size>"
        return f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"

    BOX = "<bndbox><xmin>1</xmin><ymin>11</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>"

    def test_corners_are_one_based_and_inclusive(self, tmp_path: Path) -> None:
        text(tmp_path, self.xml(f"<object><name>face</name>{self.BOX}</object>"), "Annotations/a.xml")
        assert read("voc", tmp_path) == [Entry("JPEGImages/a", [(0, 10, 20, 30)], size=(100, 50))]

    def test_parts_of_an_object_are_not_the_object(self, tmp_path: Path) -> None:
        part = "<part><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>6</xmax><ymax>6</ymax></bndbox></part>"
        text(tmp_path, self.xml(f"<object><name>person</name>{part}{self.BOX}</object>"), "a.xml")
        assert read("voc", tmp_path)[0].boxes == [(0, 10, 20, 30)]

    def test_an_xml_that_names_another_image_is_a_problem(self, tmp_path: Path) -> None:
        text(tmp_path, self.xml("", name="b.jpg"), "a.xml")
        assert "b.jpg" in str(read("voc", tmp_path)[0].problem)

    def test_a_name_without_ending_is_no_other_image(self, tmp_path: Path) -> None:
        text(tmp_path, self.xml("", name="n01_7"), "n01_7.xml")
        assert read("voc", tmp_path)[0].problem is None

    @pytest.mark.parametrize(
        "content", ["<annotation><object/></annotation>", "<annotation>", "<x/>", "", "<!DOCTYPE a><annotation/>"]
    )
    def test_anything_else_is_a_problem(self, tmp_path: Path, content: str) -> None:
        text(tmp_path, content, "a.xml")
        assert read("voc", tmp_path)[0].problem is not None


class TestWider:
    def test_an_image_without_faces_carries_a_dummy_row(self, tmp_path: Path) -> None:
        path = text(tmp_path, "a/b c.jpg\n0\n0 0 0 0 0 0 0 0 0 0\nd.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n5 6 7 8 0 0 0 0 0 0\n")
        assert read("wider", path) == [
            Entry("a/b c.jpg", []),
            Entry("d.jpg", [(1, 2, 4, 6), (5, 6, 12, 14)]),
        ]

    def test_or_does_not(self, tmp_path: Path) -> None:
        path = text(tmp_path, "a.jpg\n0\nb.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n")
        assert [(e.key, len(e.boxes)) for e in read("wider", path)] == [("a.jpg", 0), ("b.jpg", 1)]

    @pytest.mark.parametrize(
        "content", ["a.jpg\n", "a.jpg\nx\n", "a.jpg\n2\n1 2 3 4\n", "a.jpg\n0\n\nb.jpg\n0\n", "a\n9999999999\n"]
    )
    def test_what_breaks_the_count_is_refused_with_the_line(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(AnnotationError, match=r"line|ends among"):
            read("wider", text(tmp_path, content))

    def test_a_malformed_row_is_the_images_problem(self, tmp_path: Path) -> None:
        first, second = read("wider", text(tmp_path, "a.jpg\n1\n1 2 x 4\nb.jpg\n1\n1 2 3 4\n"))
        assert first.problem == "line 3: 'x' is not a number"
        assert second.boxes == [(1, 2, 4, 6)]


class TestRekognition:
    BOX: ClassVar = {"Left": -0.1, "Top": 0.2, "Width": 0.3, "Height": 1.0}

    @pytest.mark.parametrize(
        "response",
        [
            {"FaceDetails": [{"BoundingBox": BOX}]},
            {"FaceRecords": [{"FaceDetail": {"BoundingBox": BOX}}]},
            {"Labels": [{"Name": "Face", "Instances": [{"BoundingBox": BOX}]}]},
            {"CustomLabels": [{"Name": "Face", "Geometry": {"BoundingBox": BOX}}]},
        ],
    )
    def test_boxes_run_over_the_edge_and_are_kept_so(self, tmp_path: Path, response: object) -> None:
        text(tmp_path, json.dumps(response), "d/a.jpg.json")
        assert read("rekognition", tmp_path) == [Entry("d/a.jpg", [pytest.approx((-0.1, 0.2, 0.2, 1.2))], True)]

    def test_one_object_of_responses(self, tmp_path: Path) -> None:
        path = text(tmp_path, json.dumps({"a.jpg": {"FaceDetails": []}, "b.jpg": {"FaceDetails": []}}))
        assert [entry.key for entry in read("rekognition", path)] == ["a.jpg", "b.jpg"]

    def test_two_lists_of_faces_are_a_problem(self, tmp_path: Path) -> None:
        faces = json.dumps([{"BoundingBox": self.BOX}])
        text(tmp_path, f'{{"FaceDetails": {faces}, "FaceDetails": []}}', "a.jpg.json")
        (entry,) = read("rekognition", tmp_path)
        assert entry == Entry("a.jpg", [], problem="the member 'FaceDetails' occurs twice")

    def test_two_responses_of_one_image_are_an_error(self, tmp_path: Path) -> None:
        path = text(tmp_path, '{"a.jpg": {"FaceDetails": []}, "b.jpg": {}, "a.jpg": {"FaceDetails": []}}')
        with pytest.raises(AnnotationError, match=r"the key 'a\.jpg' occurs twice"):
            read("rekognition", path)

    def test_a_failed_response_is_not_one_without_faces(self, tmp_path: Path) -> None:
        path = text(tmp_path, json.dumps({"a.jpg": {"__type": "ThrottlingException"}}))
        assert "FaceDetails" in str(read("rekognition", path)[0].problem)

    def test_a_bare_response_does_not_name_its_image(self, tmp_path: Path) -> None:
        with pytest.raises(AnnotationError, match="which image"):
            read("rekognition", text(tmp_path, json.dumps({"FaceDetails": []})))


class TestTables:
    def test_openimages_columns_are_found_by_name(self, tmp_path: Path) -> None:
        path = text(
            tmp_path,
            "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded\n0a1b,x,/m/0dzct,1,0.1,0.2,0.3,0.4,0\n",
        )
        assert read("openimages", path) == [Entry("0a1b", [(0.1, 0.3, 0.2, 0.4)], True)]
        assert READERS["openimages"].keys_without_ending

    @pytest.mark.parametrize(
        ("box_format", "header"),
        [("xyxy", "x1,y1,x2,y2"), ("xywh", "x,y,width,height"), ("cxcywh", "cx,cy,width,height")],
    )
    def test_box_formats(self, tmp_path: Path, box_format: str, header: str) -> None:
        values = {"xyxy": "10,20,40,60", "xywh": "10,20,30,40", "cxcywh": "25,40,30,40"}[box_format]
        path = text(tmp_path, f"path,{header}\na.jpg,{values}\n")
        assert read("csv", path, box_format=box_format) == [Entry("a.jpg", [(10, 20, 40, 60)])]

    def test_columns_may_have_other_names_and_any_order(self, tmp_path: Path) -> None:
        path = text(tmp_path, "top,right,bottom,left,file\n1,4,5,2,a.jpg\n")
        columns = (("path", "file"), ("x1", "left"), ("y1", "top"), ("x2", "right"), ("y2", "bottom"))
        assert read("csv", path, columns=columns) == [Entry("a.jpg", [(2, 1, 4, 5)])]

    def test_an_empty_box_says_that_there_is_none(self, tmp_path: Path) -> None:
        assert read("csv", text(tmp_path, "path,x1,y1,x2,y2\na.jpg,,,,\n")) == [Entry("a.jpg", [])]

    def test_a_half_empty_box_is_a_problem(self, tmp_path: Path) -> None:
        (entry,) = read("csv", text(tmp_path, "path,x1,y1,x2,y2\na.jpg,1,,3,4\n"))
        assert entry.problem == "line 2: '' is not a number"

    def test_the_size_of_the_image_is_read_where_it_is(self, tmp_path: Path) -> None:
        path = text(tmp_path, "path,x1,y1,x2,y2,image_width,image_height\na.jpg,1,2,3,4,100,50\n")
        assert read("csv", path)[0].size == (100, 50)

    def test_a_byte_order_mark_is_no_part_of_the_first_name(self, tmp_path: Path) -> None:
        path = tmp_path / "b.csv"
        path.write_bytes(b"\xef\xbb\xbfpath,x1,y1,x2,y2\r\na.jpg,1,2,3,4\r\n")
        assert read("csv", path)[0].key == "a.jpg"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("file,x1,y1,x2,y2\n", "no column 'path'"),
            ("path,x1,y1,x2,y2\na.jpg,1,2,3\n", "line 2 has 4 fields"),
            ("path,x1,x1,y1,x2,y2\n", "occurs twice"),
            ('path,x1,y1,x2,y2\n"a.jpg,1,2,3\n', "line"),
            ("", "no column"),
        ],
    )
    def test_a_table_that_does_not_fit_is_refused(self, tmp_path: Path, content: str, message: str) -> None:
        with pytest.raises(AnnotationError, match=message):
            read("csv", text(tmp_path, content))

    def test_a_label_that_never_occurs_is_an_error(self, tmp_path: Path) -> None:
        options = ReaderOptions(only("fase"))
        assert [
            e.boxes for e in READERS["csv"].read(text(tmp_path, "path,x1,y1,x2,y2,label\na,1,2,3,4,face\n"), options)
        ] == [[]]
        with pytest.raises(AnnotationError, match="fase"):
            options.labels.check()


def consume(form: str, path: Path) -> None:
    """Read everything: only an AnnotationError may come out, and boxes are four numbers."""
    try:
        for entry in READERS[form].read(path, ReaderOptions()):
            assert all(len(box) == 4 for box in entry.boxes)
            assert not (entry.problem and entry.boxes)
    except AnnotationError as error:
        if str(path) not in str(error):
            raise


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "url",
                    "bboxes",
                    "x0",
                    "y0",
                    "x1",
                    "y1",
                    "images",
                    "annotations",
                    "id",
                    "image_id",
                    "bbox",
                    "file_name",
                    "FaceDetails",
                    "BoundingBox",
                    "Left",
                    "Top",
                    "Width",
                    "Height",
                    "Labels",
                    "Name",
                    "Instances",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("form", ["imagenet", "coco", "rekognition"])
@FUZZ
@given(value=json_values)
def test_no_json_gets_through_as_something_else(tmp_path: Path, form: str, value: object) -> None:
    consume(form, text(tmp_path, json.dumps(value)))


@pytest.mark.parametrize("form", ["imagenet", "coco", "rekognition", "wider", "openimages", "csv"])
@FUZZ
@given(content=st.binary(max_size=200))
def test_no_bytes_crash_a_reader_of_files(tmp_path: Path, form: str, content: bytes) -> None:
    path = tmp_path / "boxes"
    path.write_bytes(content)
    consume(form, path)


@pytest.mark.parametrize(("form", "name"), [("yolo", "a.txt"), ("voc", "a.xml"), ("rekognition", "a.json")])
@FUZZ
@given(content=st.binary(max_size=200))
def test_no_bytes_crash_a_reader_of_folders(tmp_path: Path, form: str, name: str, content: bytes) -> None:
    (tmp_path / "folder").mkdir(exist_ok=True)
    (tmp_path / "folder" / name).write_bytes(content)
    consume(form, tmp_path / "folder")


rows_of_tokens = st.lists(
    st.lists(st.sampled_from(["0", "1", "2", "a.jpg", "-1", "1e999", "nan", "0.5", "", "²"]), max_size=11).map(
        " ".join
    ),
    max_size=8,
)


@FUZZ
@given(rows=rows_of_tokens)
def test_no_rows_crash_the_readers_of_lines(tmp_path: Path, rows: list[str]) -> None:
    content = "\n".join(rows)
    consume("wider", text(tmp_path, content, "w"))
    text(tmp_path, content, "folder/a.txt")
    consume("yolo", tmp_path / "folder")
    consume("csv", text(tmp_path, "path,x1,y1,x2,y2\n" + content.replace(" ", ","), "c"))
