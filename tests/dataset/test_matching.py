"""Boxes reach the file they were made for, or no file at all."""

from __future__ import annotations

import os

import pytest

from fastblur.dataset.annotations import Entry
from fastblur.dataset.index import Index
from fastblur.dataset.tree import Found

BOX = (1.0, 2.0, 3.0, 4.0)


def match(files: list[str], keys: list[str], *, without_ending: bool = False) -> tuple[dict[str, int], list[str]]:
    """Boxes per file (-1: not annotated, -2: ambiguous), and the keys that found none."""
    index = Index()
    index.add_entries(Entry(key, [BOX]) for key in keys)
    index.add_files(map(Found, files))
    index.match(keys_without_ending=without_ending)
    found = {}
    for item in index.items():
        count = sum(len(entry.boxes) for entry in item.entries) if item.annotated else -1
        found[item.path] = -2 if item.problem else count
    assert sorted(index.files_without_key()) == sorted(path for path, count in found.items() if count == -1)
    return found, list(index.keys_without_file())


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("b.jpg", "a/b.jpg"),
        ("n1/b.jpg", "train/n1/b.jpg"),
        ("n1/b.jpg", "b.jpg"),
        ("a/b.jpg", "./a//b.jpg"),
        ("a/b.jpg", "/a/b.jpg"),
        ("a/b.jpg", "a\\b.jpg"),
        ("a/\udcffb.jpg", "a/\udcffb.jpg"),
        ("a/ü\n.jpg", "a/ü\n.jpg"),
    ],
)
def test_a_key_finds_its_file(file: str, key: str) -> None:
    assert match([file], [key]) == ({file: 1}, [])


@pytest.mark.parametrize(
    ("file", "key"), [("a/b.jpg", "c/b.png"), ("a/b.jpg", "a/B.jpg"), ("ab.jpg", "b.jpg"), ("a", "..")]
)
def test_or_none(file: str, key: str) -> None:
    assert match([file], [key]) == ({file: -1}, [key])


def test_entries_of_one_key_come_together_in_order() -> None:
    index = Index()
    index.add_entries([Entry("a.jpg", [(1, 1, 2, 2)]), Entry("a.jpg", []), Entry("a.jpg", [(3, 3, 4, 4)])])
    index.add_files([Found("a.jpg")])
    index.match(keys_without_ending=False)
    (item,) = index.items()
    assert [box for entry in item.entries for box in entry.boxes] == [(1, 1, 2, 2), (3, 3, 4, 4)]


def test_keys_without_ending_find_files_with_one() -> None:
    assert match(["a/b.c.jpg"], ["a/b.c"], without_ending=True) == ({"a/b.c.jpg": 1}, [])
    assert match(["a/b.jpg"], ["a/b.jpg"], without_ending=True) == ({"a/b.jpg": 1}, [])
    assert match(["a/b.jpg"], ["a/b"])[0] == {"a/b.jpg": -1}


def test_two_files_of_one_name_but_for_the_ending_are_ambiguous() -> None:
    assert match(["a.jpg", "a.png"], ["a"], without_ending=True) == ({"a.jpg": -2, "a.png": -2}, ["a"])


def test_a_name_that_several_folders_hold_is_ambiguous() -> None:
    assert match(["x/a.jpg", "y/a.jpg", "x/b.jpg"], ["a.jpg", "b.jpg"]) == (
        {"x/a.jpg": -2, "y/a.jpg": -2, "x/b.jpg": 1},
        ["a.jpg"],
    )


def test_a_file_that_two_keys_claim_is_ambiguous() -> None:
    found, _ = match(["a.jpg"], ["x/a.jpg", "y/a.jpg"])
    assert found == {"a.jpg": -2}


def test_boxes_of_a_missing_image_do_not_go_to_its_namesake() -> None:
    files = ["x/1.jpg", "x/2.jpg", "y/2.jpg", "3.jpg"]
    assert match(files, ["x/1.jpg", "x/2.jpg", "y/1.jpg", "z/3.jpg"]) == (
        {"x/1.jpg": 1, "x/2.jpg": 1, "y/2.jpg": -1, "3.jpg": -1},
        ["y/1.jpg", "z/3.jpg"],
    )


def test_train_and_val_keys_each_go_by_their_own_rule() -> None:
    files = [f"train/n{i}/t{i}.JPEG" for i in range(4)] + [f"val/n{i}/v{i}.JPEG" for i in range(4)]
    keys = [f"train/n{i}/t{i}.JPEG" for i in range(4)] + [f"v{i}.JPEG" for i in range(4)]
    assert match(files, keys) == (dict.fromkeys(files, 1), [])


def test_names_need_not_be_text() -> None:
    name = os.fsdecode(b"a/\xff\xfe.jpg")
    assert match([name], [name]) == ({name: 1}, [])
