"""The command ``fastblur``: obfuscate a data set, check that it is done, report on it."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from . import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("imagenet", "coco", "yolo", "voc", "wider", "rekognition", "openimages", "csv")

_EXTRA = {
    "PIL": "Pillow",
    "imagecodecs": "imagecodecs",
    "jpegio": "pyjpegio",
    "msgspec": "msgspec",
    "simplejpeg": "simplejpeg",
    "tifffile": "tifffile",
    "tqdm": "tqdm",
}

DONE, NOT_ALL_DONE, USAGE, INTERRUPTED = 0, 1, 2, 130

_EXAMPLES = {
    "blur": """
examples:
  fastblur blur photos blurred --boxes faces.json --format imagenet
      blurs every face; photos/a/b.jpg becomes blurred/a/b.jpg, and blurred.manifest.jsonl tells what was done
  fastblur blur photos blurred --boxes faces.json --format imagenet --resume
      goes on after an interruption, to the same result
  fastblur blur photos masked --boxes labels/ --format yolo --method fill --value imagenet-mean
      nothing of a face survives a fill
  fastblur blur photos blurred --boxes plates.csv --format csv --box-format xywh --columns path=file,x=left,y=top
      other names for the columns path, x, y, width, height

exit code: 0 every image was handled; 1 some were left out, see the manifest; 2 nothing was done, see the message

How strong is strong enough: measured on 41 identities with two recognisers, a Gaussian of 0.05 x the face's diagonal
or a mosaic of 16 cells across still tells who it is; 0.1 x the diagonal and 8 cells are at chance against those two,
and stronger attackers exist. So the default is 0.15 x the longer side, and at least 4 pixels. From safest to least
safe: fill, coarse mosaic, Gaussian.
""",
    "verify": """
examples:
  fastblur verify photos blurred --boxes faces.json --format imagenet
  fastblur verify photos blurred
      checks all but the annotations: that every box was applied can then not be told

exit code: 0 all is as it should be; 1 something is not, each finding is a line on standard output
""",
    "report": """
examples:
  fastblur report blurred
      writes blurred.report.html from the manifest alone
  fastblur report blurred --contact-sheet photos
      adds before/after samples: such a report shows clear faces, so keep it to yourself
""",
    "info": """
examples:
  fastblur info
      versions, instruction set, codecs
  fastblur info photos/a.jpg
      what the command sees in a file: format, size, mode, frames, orientation, previews
""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (default: the process's own); the exit code."""
    options = _parser().parse_args(arguments)
    if find_spec("fcntl") is None:
        return _fail("this command runs on Linux and macOS; the library itself runs here", USAGE)
    if missing := [package for module, package in _EXTRA.items() if find_spec(module) is None]:
        return _fail(f"this command needs {', '.join(missing)}: pip install 'fastblur[dataset]'", USAGE)
    # NumPy in each worker process would start as many threads as there are cores, for algebra that none does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from .dataset import commands  # imports the extra

    try:
        return int(getattr(commands, options.command)(options))
    except KeyboardInterrupt:
        return _fail("interrupted; go on with --resume", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_ALL_DONE
    except commands.EXPECTED as error:
        return _fail(str(error) or type(error).__name__, USAGE)


def _fail(message: str, code: int) -> int:
    print("fastblur: error: " + " ".join(message.split()), file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastblur", description="Obfuscate the boxes (faces, number plates) of a whole image data set."
    )
    parser.add_argument("--version", action="version", version=f"fastblur {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_blur(_command(commands, "blur", "obfuscate every annotated box of a folder tree"))
    _add_verify(_command(commands, "verify", "check an output folder against its source, file by file"))
    _add_report(_command(commands, "report", "write a page about a run"))
    info = _command(commands, "info", "show versions, or what the command sees in files")
    info.add_argument("files", nargs="*", metavar="FILE", help="image files to look at")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=_EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_annotations(parser: argparse.ArgumentParser, *, required: bool) -> None:
    group = parser.add_argument_group("annotations")
    group.add_argument("--boxes", metavar="PATH", required=required, help="the annotation file, or folder of files")
    group.add_argument("--format", choices=FORMATS, required=required, help="the format of the annotations")
    group.add_argument("--labels", metavar="A,B", help="only boxes with these labels (default: all boxes)")
    group.add_argument(
        "--columns",
        metavar="NAME=COLUMN,...",
        help="csv: the columns that hold path, x1, y1, x2, y2 (or x, y, width, height; cx, cy, width, height), "
        "label, image_width, image_height, where they have other names",
    )
    group.add_argument("--box-format", choices=("xyxy", "xywh", "cxcywh"), default="xyxy", help="csv: what a box is")
    group.add_argument("--box-units", choices=("pixels", "normalised"), default="pixels", help="csv: units of boxes")


def _add_workers(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--workers", type=int, default=_cores(), metavar="N", help="processes (default: one per core, here %(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _add_blur(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("src", metavar="SRC", help="the folder with the images")
    parser.add_argument("dst", metavar="DST", help="the folder to write; its manifest is DST.manifest.jsonl")
    _add_annotations(parser, required=True)
    parser.add_argument(
        "--exclude", metavar="FILE", help="leave out the images, folders or classes named in FILE, one a line"
    )
    group = parser.add_argument_group("obfuscation (fractions are of each box's longer side)")
    group.add_argument(
        "--method",
        choices=("gaussian", "pixelate", "fill", "imagenet2021"),
        default="gaussian",
        help="default gaussian; imagenet2021 reproduces the 2021 release bit for bit, and its leaks",
    )
    group.add_argument("--strength", type=float, metavar="F", help="sigma, or the side of a cell (default 0.15)")
    group.add_argument("--min-strength", type=float, metavar="PX", help="but at least this many pixels (default 4)")
    group.add_argument(
        "--value", metavar="R,G,B", help="colour of a fill: 0-255 each, or imagenet-mean (default 0,0,0)"
    )
    group.add_argument("--margin", type=float, metavar="F", help="grow each box on each side (default 0.1)")
    group.add_argument("--shape", choices=("rectangle", "ellipse"), help="default rectangle: an ellipse spares corners")
    group.add_argument("--feather", type=float, metavar="F", help="soften outward only, by this much (default 0.1)")
    group = parser.add_argument_group("files")
    group.add_argument(
        "--jpeg",
        choices=("pixels", "blocks"),
        default="pixels",
        help="blocks: rewrite only the DCT blocks a box touches, all others stay bit-identical (default pixels)",
    )
    group.add_argument(
        "--metadata",
        choices=("keep", "safe", "strip"),
        default="safe",
        help="of files with boxes; safe drops GPS, owner and serial numbers; previews are always dropped",
    )
    group.add_argument(
        "--unannotated",
        choices=("error", "copy", "skip"),
        default="error",
        help="images that no annotation names (default error: a forgotten image is a clear face)",
    )
    group.add_argument(
        "--boxes-orientation",
        choices=("stored", "displayed"),
        help="what boxes refer to where EXIF turns the image; such images are left out otherwise",
    )
    group.add_argument(
        "--copy-other", action="store_true", help="copy files that are no images, instead of listing them"
    )
    group.add_argument(
        "--max-pixels", type=int, default=1 << 28, metavar="N", help="refuse larger images (default %(default)s)"
    )
    group.add_argument(
        "--hash-sources",
        action="store_true",
        help="put the SHA-256 of each clear source into the manifest; published, it tells who holds the original",
    )
    group = parser.add_argument_group("the run")
    group.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    group.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    _add_workers(group)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("src", metavar="SRC", help="the folder with the clear images")
    parser.add_argument("dst", metavar="DST", help="the folder that fastblur blur wrote")
    _add_annotations(parser, required=False)
    _add_workers(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dst", metavar="DST", help="the folder that fastblur blur wrote")
    parser.add_argument("--output", metavar="FILE", help="default DST.report.html")
    parser.add_argument("--contact-sheet", metavar="SRC", help="add samples from SRC and DST; shows clear faces")
    parser.add_argument("--samples", type=int, default=12, metavar="N", help="how many samples (default %(default)s)")


if __name__ == "__main__":
    sys.exit(main())
