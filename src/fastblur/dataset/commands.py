"""The sub-commands: from parsed options to an exit code."""

from __future__ import annotations

import math
import platform
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fastblur

from . import files, manifest
from .annotations import READERS, AnnotationError, Labels, ReaderOptions
from .files import ImageFileError
from .manifest import ManifestError
from .parameters import IMAGENET_MEAN, Parameters
from .plan import Annotations, Exclusion, Plan, Refused, check_folders
from .pool import WorkersError
from .progress import bar
from .report import write_report
from .run import Request, Result
from .run import blur as run_blur
from .tree import printable
from .verify import verify as run_verify
from .worker import OutputError

if TYPE_CHECKING:
    import argparse


class OptionError(ValueError):
    """Options that do not go together, or values out of range."""


EXPECTED = (
    OptionError,
    Refused,
    AnnotationError,
    ManifestError,
    OutputError,
    WorkersError,
    OSError,
    UnicodeError,
    sqlite3.Error,
)


def blur(options: argparse.Namespace) -> int:
    """``fastblur blur``."""
    src, dst = Path(options.src), Path(options.dst)
    request = Request(
        src,
        dst,
        _annotations(options),
        _exclusion(options),
        _parameters(options),
        _at_least(1, options.workers, "--workers"),
        options.resume,
    )
    check_folders(src, dst)
    plan = Plan(src, request.annotations, request.exclusion)
    try:
        if options.dry_run:
            plan.check(request.parameters)
            for what, count in sorted(plan.counts().items()):
                print(f"{count:>10} {what}")
            return 0
        with bar(plan.files, "blur", quiet=options.quiet) as progress:
            result = run_blur(request, plan, progress)
    finally:
        plan.close()
    if not options.quiet:
        _tell(result, dst)
    return 0 if result.complete else 1


def _tell(result: Result, dst: Path) -> None:
    summary = result.summary
    handled = ", ".join(f"{count} {status}" for status, count in summary["status"].items()) or "no files"
    print(f"{handled}; {summary['boxes']} boxes; {summary['images_per_second']} files/s")
    for reason, count in summary["reasons"].items():
        print(f"left out: {count} {reason}", file=sys.stderr)
    if summary["skipped_degenerate"]:
        print(f"skipped-degenerate: {summary['skipped_degenerate']} boxes without area", file=sys.stderr)
    if summary["twins"]["groups"]:
        example = ", ".join(map(printable, summary["twins"]["examples"][0][:2]))
        print(
            f"warning: {summary['twins']['groups']} identical images have different boxes, such as {example}",
            file=sys.stderr,
        )
    print(f"record: {printable(str(manifest.path_of(dst)))}")


def verify(options: argparse.Namespace) -> int:
    """``fastblur verify``."""
    if (options.boxes is None) != (options.format is None):
        raise OptionError("--boxes and --format go together")
    src, dst = Path(options.src), Path(options.dst)
    annotations = _annotations(options) if options.boxes is not None else None
    findings = 0
    workers = _at_least(1, options.workers, "--workers")
    for finding in run_verify(src, dst, annotations, workers, quiet=options.quiet):
        findings += 1
        print(f"{printable(finding.path)}: {finding.what}")
    if not options.quiet:
        print(f"{findings} findings" if findings else "verified: all is as the manifest says", file=sys.stderr)
        if annotations is None:
            print("annotations were not checked: give --boxes and --format for that", file=sys.stderr)
    return 1 if findings else 0


def report(options: argparse.Namespace) -> int:
    """``fastblur report``."""
    dst = Path(options.dst)
    output = Path(options.output) if options.output else dst.with_name(dst.name + ".report.html")
    src = Path(options.contact_sheet) if options.contact_sheet else None
    write_report(dst, output, src, _at_least(1, options.samples, "--samples"))
    print(printable(str(output)))
    return 0


def info(options: argparse.Namespace) -> int:
    """``fastblur info``."""
    if not options.files:
        print(f"fastblur {fastblur.__version__}, Python {platform.python_version()}, {platform.platform()}")
        for name, value in fastblur.build_info().items():
            print(f"{name}: {value}")
        for package in ("numpy", "pillow", "simplejpeg", "pyjpegio", "imagecodecs", "tifffile", "msgspec"):
            print(f"{package}: {_version(package)}")
        return 0
    failed = 0
    for name in options.files:
        try:
            data = Path(name).read_bytes()
            seen = files.probe(data)
            previews = ", ".join(files.previews(data)) or "none"
            print(
                f"{printable(name)}: {seen.format} {seen.width}x{seen.height} {seen.mode}, frames {seen.frames}, "
                f"orientation {seen.orientation}, previews and private metadata: {previews}"
            )
        except (ImageFileError, OSError) as error:
            failed += 1
            print(f"{printable(name)}: {error}")
    return 1 if failed else 0


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _annotations(options: argparse.Namespace) -> Annotations:
    path = Path(options.boxes)
    if not path.exists():
        raise OptionError(f"--boxes {printable(options.boxes)} does not exist")
    csv_only = {"--columns": options.columns, "--box-format": options.box_format != "xyxy"}
    csv_only["--box-units"] = options.box_units != "pixels"
    if options.format != "csv" and (given := [name for name, value in csv_only.items() if value]):
        raise OptionError(f"{given[0]} is for --format csv; {options.format} says itself what a box is")
    if options.labels is not None and not READERS[options.format].labels:
        raise OptionError(f"--labels: boxes of --format {options.format} carry no labels")
    labels = None if options.labels is None else frozenset(filter(None, options.labels.split(",")))
    columns = tuple(pair.partition("=")[::2] for pair in (options.columns or "").split(",") if pair)
    if bad := [name for name, column in columns if not column]:
        raise OptionError(f"--columns: {bad[0]!r} is not NAME=COLUMN")
    reader_options = ReaderOptions(Labels(labels), options.box_format, options.box_units == "normalised", columns)
    return Annotations(path, options.format, reader_options)


def _exclusion(options: argparse.Namespace) -> Exclusion:
    return Exclusion.load(Path(options.exclude)) if options.exclude else Exclusion()


def _parameters(options: argparse.Namespace) -> Parameters:
    given = {
        name: value
        for name in ("strength", "min_strength", "margin", "shape", "feather", "value")
        if (value := getattr(options, name)) is not None
    }
    unused = {
        "gaussian": ("value",),
        "pixelate": ("value",),
        "fill": ("strength", "min_strength"),
        "imagenet2021": ("strength", "min_strength", "margin", "shape", "feather", "value"),
    }[options.method]
    if wrong := [name for name in unused if name in given]:
        raise OptionError(f"--{wrong[0].replace('_', '-')} has no meaning with --method {options.method}")
    for name in ("strength", "min_strength", "margin", "feather"):
        if not math.isfinite(given.get(name, 0)) or given.get(name, 0) < 0:
            raise OptionError(f"--{name.replace('_', '-')} is {given[name]}; accepted: a finite number from 0")
    parameters = Parameters(
        method=options.method,
        strength=given.get("strength", Parameters.strength),
        min_strength=given.get("min_strength", Parameters.min_strength),
        value=_colour(given["value"]) if "value" in given else Parameters.value,
        margin=given.get("margin", Parameters.margin),
        shape=given.get("shape", Parameters.shape),
        feather=given.get("feather", Parameters.feather if options.method == "gaussian" else 0.0),
        jpeg=options.jpeg,
        metadata=options.metadata,
        unannotated=options.unannotated,
        boxes_orientation=options.boxes_orientation,
        copy_other=options.copy_other,
        max_pixels=_at_least(1, options.max_pixels, "--max-pixels"),
        hash_sources=options.hash_sources,
    )
    if parameters.strength == 0 and parameters.min_strength == 0:
        raise OptionError("--strength 0 with --min-strength 0 obfuscates nothing")
    return parameters


def _colour(text: str) -> tuple[int, int, int]:
    if text == "imagenet-mean":
        return IMAGENET_MEAN
    levels = text.split(",")
    if len(levels) != 3 or not all(level.strip().isdecimal() and int(level) <= 255 for level in levels):
        raise OptionError(
            f"--value is {text!r}; accepted: three levels from 0 to 255, as in 124,116,104, or imagenet-mean"
        )
    return int(levels[0]), int(levels[1]), int(levels[2])


def _at_least(least: int, value: int, name: str) -> int:
    if value < least:
        raise OptionError(f"{name} is {value}; accepted: from {least}")
    return value
