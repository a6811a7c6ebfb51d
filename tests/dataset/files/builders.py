"""Image files for tests, made byte by byte where it matters what is in them.

Nothing here uses `fastblur`, so that its readers and writers are tested against an independent account of the formats.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tag = tuple[int, int, int, bytes]
ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7


# Pixels


def photo(height: int = 60, width: int = 84, channels: int = 3, *, seed: int = 0) -> NDArray[np.uint8]:
    """Something like a photograph: smooth, with edges and a little noise; shape (H, W) for one channel."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 24.0
    planes = []
    for channel in range(channels):
        phase = 1.3 * channel + seed
        plane = 128 + 60 * np.sin(x + phase) * np.cos(y - phase) + 30 * (np.sin(3 * x * y / 7 + phase) > 0)
        planes.append(plane + random.normal(0, 3, plane.shape))
    image = np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


def noise(shape: tuple[int, ...], dtype: Any = np.uint8, *, seed: int = 0) -> NDArray[Any]:
    """Every value equally likely."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(image: Image.Image | NDArray[Any], kind: str, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def opened(data: bytes, mode: str | None = None) -> NDArray[Any]:
    """The pixels of a file as Pillow reads them."""
    image = Image.open(io.BytesIO(data))
    return np.array(image.convert(mode) if mode else image)


def clear_copy() -> bytes:
    """A small JPEG file, as it would stand in a thumbnail."""
    return saved(photo(24, 32), "JPEG", quality=60)


# TIFF structures, for EXIF and TIFF files


def directory(order: str, tags: list[Tag], offset: int, following: int = 0) -> bytes:
    """A directory at an offset, with the values that are longer than 4 bytes behind it."""
    table, values = struct.pack(order + "H", len(tags)), b""
    start = offset + 2 + 12 * len(tags) + 4
    for tag, kind, count, value in sorted(tags):
        table += struct.pack(order + "HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", start + len(values))
            values += value + b"\0" * (len(value) % 2)
    return table + struct.pack(order + "I", following) + values


def text(value: str) -> tuple[int, int, bytes]:
    """Type, count and value of a text tag."""
    encoded = value.encode() + b"\0"
    return ASCII, len(encoded), encoded


def short(order: str, value: int) -> tuple[int, int, bytes]:
    """Type, count and value of a 16-bit number."""
    return SHORT, 1, struct.pack(order + "H", value)


def long(order: str, value: int) -> tuple[int, int, bytes]:
    """Type, count and value of a 32-bit number."""
    return LONG, 1, struct.pack(order + "I", value)


def rational(order: str, *values: tuple[int, int]) -> tuple[int, int, bytes]:
    """Type, count and value of fractions."""
    return RATIONAL, len(values), b"".join(struct.pack(order + "II", *value) for value in values)


def exif(
    order: str = "<",
    *,
    orientation: int = 6,
    main: list[Tag] | None = None,
    sub: list[Tag] | None = None,
    gps: list[Tag] | None = None,
    thumbnail: bytes = b"",
    hidden: bytes = b"",
) -> bytes:
    """An EXIF block from its TIFF header on, its directories one behind the other."""
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    tags = [(0x0112, *short(order, orientation)), *(main or [])]
    if sub is not None:
        tags.append((0x8769, *long(order, 0)))
    if gps is not None:
        tags.append((0x8825, *long(order, 0)))
    end = 8 + len(directory(order, tags, 8))
    parts = []
    for pointer, entries in ((0x8769, sub), (0x8825, gps)):
        if entries is not None:
            tags = [(pointer, *long(order, end)) if tag[0] == pointer else tag for tag in tags]
            parts.append(directory(order, entries, end))
            end += len(parts[-1])
    following = end if thumbnail else 0
    if thumbnail:
        size = len(directory(order, [(0x0201, *long(order, 0)), (0x0202, *long(order, 0))], end))
        second = [(0x0201, *long(order, end + size)), (0x0202, *long(order, len(thumbnail)))]
        parts.append(directory(order, second, end) + thumbnail)
    return header + directory(order, tags, 8, following) + b"".join(parts) + hidden


def camera_exif(order: str = "<", *, orientation: int = 6) -> bytes:
    """What a camera writes: basics, and everything that must not stay."""
    return exif(
        order,
        orientation=orientation,
        main=[
            (0x010E, *text("Ann and Bob at home")),
            (0x010F, *text("Maker")),
            (0x0110, *text("Model 5")),
            (0x011A, *rational(order, (300, 1))),
            (0x013B, *text("A. Photographer")),
            (0x8298, *text("(c) A. Photographer")),
            (0xC4A5, UNDEFINED, 40, b"PrintIM" + b"\1" * 33),
        ],
        sub=[
            (0x829A, *rational(order, (1, 250))),
            (0x9003, *text("2020:02:03 04:05:06")),
            (0x927C, UNDEFINED, 600, b"NOTE" + clear_copy()[:596].ljust(596, b"x")),
            (0x9286, UNDEFINED, 20, b"ASCII\0\0\0at the lake."),
            (0xA430, *text("The Owner")),
            (0xA431, *text("SN 12345")),
            (0xA434, *text("35 mm")),
        ],
        gps=[(0x0000, 1, 4, b"\2\3\0\0"), (0x0002, *rational(order, (48, 1), (8, 1), (1, 1)))],
        thumbnail=clear_copy(),
    )


def icc_profile(size: int = 400) -> bytes:
    """Enough of an ICC profile to be taken for one."""
    return struct.pack(">I", size) + b"lcms" + b"\x04\x30\0\0mntrRGB XYZ " + b"\0" * 12 + b"acsp" + b"\0" * (size - 40)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><xmp:Thumbnails>/9j/4AAQ</xmp:Thumbnails></x:xmpmeta>'


# JPEG


def segment(marker: int, payload: bytes) -> bytes:
    """A JPEG marker segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes, trailing: bytes = b"") -> bytes:
    """A JPEG file with segments behind its SOI (behind its JFIF header, if it has one) and data behind its EOI."""
    position = 2
    if jpeg[2:4] == b"\xff\xe0":
        position = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:position] + b"".join(segments) + jpeg[position:] + trailing


def without_jfif(jpeg: bytes) -> bytes:
    """A JPEG file without its JFIF header."""
    return jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]


def app1_exif(block: bytes) -> bytes:
    """An EXIF block as a JPEG segment."""
    return segment(0xE1, b"Exif\0\0" + block)


def jpeg_segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Marker and payload of every segment before the first scan."""
    found, position = [], 2
    while jpeg[position + 1] != 0xDA:
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        found.append((jpeg[position + 1], jpeg[position + 4 : position + 2 + length]))
        position += 2 + length
    return found


def photoshop(resource: int, content: bytes) -> bytes:
    """An APP13 segment with one Photoshop image resource."""
    size = len(content)
    return segment(
        0xED, b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", resource, 0, size) + content + b"\0" * (size % 2)
    )


def jpeg_copies() -> dict[str, tuple[bytes, str]]:
    """JPEG files with one clear copy or piece of metadata each, and the kind it is to be found as."""
    plain, copy = saved(photo(), "JPEG", quality=90), clear_copy()
    bare = without_jfif(plain)
    jfif = b"JFIF\0\1\2\0\0\1\0\1"
    entry = struct.pack(">IIIHH", 0x030000, len(copy), 0, 0, 0)
    return {
        "exif thumbnail": (with_segments(plain, app1_exif(exif(thumbnail=copy))), "exif-thumbnail"),
        "exif thumbnail, Motorola order": (
            with_segments(plain, app1_exif(exif(">", thumbnail=copy))),
            "exif-thumbnail",
        ),
        "exif maker note": (
            with_segments(plain, app1_exif(exif(sub=[(0x927C, UNDEFINED, len(copy), copy)]))),
            "makernote",
        ),
        "exif sub-directory": (
            with_segments(plain, app1_exif(exif(main=[(0x014A, *long("<", 8))]))),
            "sub-ifd",
        ),
        "picture in an allowed tag": (
            with_segments(plain, app1_exif(exif(main=[(0x010F, UNDEFINED, 200, copy[:200])]))),
            "exif-embedded-image",
        ),
        "oversized tag": (with_segments(plain, app1_exif(exif(main=[(0x010F, *text("x" * 9000))]))), "exif-oversized"),
        "unreferenced bytes in exif": (with_segments(plain, app1_exif(exif(hidden=copy))), "exif-unreferenced"),
        "second exif block": (
            with_segments(plain, app1_exif(exif()), app1_exif(exif(thumbnail=copy))),
            "duplicate-segment",
        ),
        "broken exif": (with_segments(plain, app1_exif(b"II*\0\xff\xff\0\0")), "exif-damaged"),
        "jfif thumbnail": (
            with_segments(bare, segment(0xE0, jfif + b"\2\2" + b"\x80" * 12)),
            "jfif-thumbnail",
        ),
        "jfxx thumbnail": (with_segments(plain, segment(0xE0, b"JFXX\0\x10" + copy)), "jfxx-thumbnail"),
        "multi-picture format": (
            with_segments(plain, segment(0xE2, b"MPF\0" + b"II*\0\x08\0\0\0" + entry), trailing=copy),
            "mpf",
        ),
        "xmp": (with_segments(plain, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)), "xmp"),
        "extended xmp": (
            with_segments(plain, segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + XMP)),
            "xmp-extended",
        ),
        "photoshop thumbnail": (with_segments(plain, photoshop(1036, b"\0" * 28 + copy)), "photoshop-thumbnail"),
        "photoshop resources": (with_segments(plain, photoshop(1028, b"\x1c\x02\x50\0\3Ann")), "photoshop"),
        "comment": (with_segments(plain, segment(0xFE, b"Ann's house")), "comment"),
        "other application": (with_segments(plain, segment(0xEB, b"JP\0\1" + copy)), "app11"),
        "long adobe segment": (
            with_segments(bare, segment(0xEE, b"Adobe\0d\0\0\0\0\1" + copy)),
            "app14",
        ),
        "motion photo": (with_segments(plain, trailing=b"\0\0\0\x18ftypmp42" + b"\0" * 400), "trailing-data"),
        "gain map": (with_segments(plain, trailing=copy), "trailing-data"),
        "bytes between segments": (with_segments(plain, segment(0xFE, b"x") + b"hidden words"), "stray-data"),
        "broken profile": (with_segments(plain, segment(0xE2, b"ICC_PROFILE\0\1\1" + copy)), "icc-damaged"),
    }


# PNG


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of every chunk up to IEND."""
    found, position = [], 8
    while not found or found[-1][0] != b"IEND":
        length, kind = struct.unpack_from(">I4s", png, position)
        found.append((kind, png[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes], trailing: bytes = b"") -> bytes:
    """A PNG file with chunks behind IHDR and data behind IEND."""
    return png[:33] + b"".join(chunk(*c) for c in chunks) + png[33:] + trailing


def png_samples(
    samples: NDArray[Any], depth: int, colour: int, extra: list[tuple[bytes, bytes]] | None = None
) -> bytes:
    """A PNG file of samples (H, W) or (H, W, C) below 2 ** depth, by the letter of the specification."""
    rows = samples.reshape(samples.shape[0], -1)
    if depth == 16:
        packed = [row.astype(">u2").tobytes() for row in rows]
    else:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
        packed = [np.packbits(row.reshape(-1)).tobytes() for row in bits]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, 0)
    compressed = zlib.compress(b"".join(b"\0" + row for row in packed))
    chunks = [(b"IHDR", header), *(extra or []), (b"IDAT", compressed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def png_copies() -> dict[str, tuple[bytes, str]]:
    """PNG files with one clear copy or piece of metadata each, and the kind it is to be found as."""
    plain, copy = saved(photo(), "PNG"), clear_copy()
    packed_xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    profile = b"ICC profile\0\0" + zlib.compress(copy)
    return {
        "exif thumbnail": (with_chunks(plain, (b"eXIf", exif(thumbnail=copy))), "exif-thumbnail"),
        "text": (with_chunks(plain, (b"tEXt", b"Comment\0Ann's house")), "text"),
        "compressed text": (with_chunks(plain, (b"zTXt", b"Comment\0\0" + zlib.compress(b"Ann"))), "text"),
        "raw profile": (
            with_chunks(plain, (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(copy))),
            "raw-profile",
        ),
        "xmp": (with_chunks(plain, (b"iTXt", packed_xmp)), "xmp"),
        "layers": (with_chunks(plain, (b"mkBS", copy)), "layers"),
        "preview": (with_chunks(plain, (b"prVW", copy)), "preview"),
        "unknown chunk": (with_chunks(plain, (b"abCd", copy)), "other-chunk"),
        "time": (with_chunks(plain, (b"tIME", b"\x07\xe4\1\1\1\1\1")), "time"),
        "picture in the palette": (with_chunks(plain, (b"PLTE", copy[:255])), "embedded-image"),
        "no profile": (with_chunks(plain, (b"iCCP", profile)), "icc-damaged"),
        "frames without an animation": (with_chunks(plain, (b"fdAT", b"\0\0\0\0" + copy)), "hidden-frame"),
        "data behind the end": (plain + copy, "trailing-data"),
    }


# WebP


def riff(*chunks: tuple[bytes, bytes], trailing: bytes = b"") -> bytes:
    """A WebP file of chunks."""
    body = b"WEBP"
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body + trailing


def webp_chunks(webp: bytes) -> list[tuple[bytes, bytes]]:
    """Identifier and content of every chunk."""
    found, position = [], 12
    while position < 8 + int.from_bytes(webp[4:8], "little"):
        kind, length = struct.unpack_from("<4sI", webp, position)
        found.append((kind, webp[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return found


def extended_webp(
    width: int, height: int, *chunks: tuple[bytes, bytes], flags: int = 0, trailing: bytes = b""
) -> bytes:
    """A WebP file with a VP8X header before its chunks."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff((b"VP8X", bytes((flags, 0, 0, 0)) + sizes), *chunks, trailing=trailing)


def webp_copies() -> dict[str, tuple[bytes, str]]:
    """WebP files with one clear copy or piece of metadata each, and the kind it is to be found as."""
    plain, copy = saved(photo(60, 84), "WEBP", quality=80), clear_copy()
    picture = webp_chunks(plain)[0]
    return {
        "exif thumbnail": (extended_webp(84, 60, picture, (b"EXIF", exif(thumbnail=copy)), flags=8), "exif-thumbnail"),
        "xmp": (extended_webp(84, 60, picture, (b"XMP ", XMP), flags=4), "xmp"),
        "unknown chunk": (extended_webp(84, 60, picture, (b"abcd", copy)), "other-chunk"),
        "chunk behind a simple file": (riff(picture, (b"abcd", copy)), "other-chunk"),
        "no profile": (extended_webp(84, 60, (b"ICCP", copy), picture, flags=32), "icc-damaged"),
        "data behind the end": (plain + copy, "trailing-data"),
    }


# TIFF


def tiff(
    pages: list[NDArray[Any]],
    order: str = "<",
    *,
    tags: list[Tag] | None = None,
    page_tags: dict[int, list[Tag]] | None = None,
    photometric: int | None = None,
    sub: list[Tag] | None = None,
    gps: list[Tag] | None = None,
    hidden: bytes = b"",
) -> bytes:
    """An uncompressed TIFF file of pages (H, W) or (H, W, C), one strip each; `tags` go into the first."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0))
    link = 4
    for number, page in enumerate(pages):
        height, width = page.shape[:2]
        samples = 1 if page.ndim == 2 else page.shape[2]
        kind = photometric if photometric is not None else (1 if samples < 3 else 2)
        bits = 8 * page.dtype.itemsize
        strip = len(data)
        data += page.astype(page.dtype.newbyteorder(order)).tobytes()
        data += b"\0" * (len(data) % 2)
        entries: list[Tag] = [
            (256, *long(order, width)),
            (257, *long(order, height)),
            (258, SHORT, samples, struct.pack(f"{order}{samples}H", *[bits] * samples)),
            (259, *short(order, 1)),
            (262, *short(order, kind)),
            (273, *long(order, strip)),
            (277, *short(order, samples)),
            (278, *long(order, height)),
            (279, *long(order, page.nbytes)),
        ]
        if samples in (2, 4) and kind in (1, 2):
            entries.append((338, *short(order, 2)))
        if number == 0:
            entries += tags or []
            for pointer, directory_tags in ((0x8769, sub), (0x8825, gps)):
                if directory_tags is not None:
                    entries.append((pointer, *long(order, len(data))))
                    data += directory(order, directory_tags, len(data))
        entries += (page_tags or {}).get(number, [])
        struct.pack_into(order + "I", data, link, len(data))
        link = len(data) + 2 + 12 * len(entries)
        data += directory(order, entries, len(data))
    return bytes(data) + hidden


def tiff_copies() -> dict[str, tuple[bytes, str]]:
    """TIFF files with one clear copy or piece of metadata each, and the kind it is to be found as."""
    page, copy = photo(), clear_copy()
    blob = (UNDEFINED, len(copy), copy)
    small = page[::4, ::4]
    return {
        "reduced page": (tiff([page, small], page_tags={1: [(254, *long("<", 1))]}), "tiff-thumbnail"),
        "sub-directory": (tiff([page], tags=[(330, *long("<", 8))]), "sub-ifd"),
        "xmp": (tiff([page], tags=[(700, 1, len(XMP), XMP)]), "xmp"),
        "photoshop": (tiff([page], tags=[(34377, *blob)]), "photoshop"),
        "layers": (tiff([page], tags=[(37724, *blob)]), "layers"),
        "iptc": (tiff([page], tags=[(33723, *blob)]), "iptc"),
        "unknown tag": (tiff([page], tags=[(65000, UNDEFINED, 600, b"\1" * 600)]), "tiff-other"),
        "picture in an allowed tag": (tiff([page], tags=[(305, UNDEFINED, 200, copy[:200])]), "exif-embedded-image"),
        "maker note": (tiff([page], sub=[(0x927C, *blob)]), "makernote"),
        "jpeg preview": (tiff([page], tags=[(513, *long("<", 8)), (514, *long("<", 9))]), "exif-thumbnail"),
        "broken profile": (tiff([page], tags=[(34675, *blob)]), "icc-damaged"),
        "bytes no tag refers to": (tiff([page], hidden=copy), "hidden-data"),
    }


# BMP


def bmp_copies() -> dict[str, tuple[bytes, str]]:
    """BMP files with one clear copy each, and the kind it is to be found as."""
    plain, copy = saved(photo(), "BMP"), clear_copy()
    offset = int.from_bytes(plain[10:14], "little")
    moved = plain[:10] + struct.pack("<I", offset + len(copy)) + plain[14:offset] + copy + plain[offset:]
    return {
        "data behind the pixels": (plain + copy, "trailing-data"),
        "data before the pixels": (moved, "hidden-data"),
    }


def copies() -> dict[str, tuple[bytes, str]]:
    """All files with a clear copy or a piece of metadata, by format and kind."""
    groups = {
        "jpeg": jpeg_copies(),
        "png": png_copies(),
        "webp": webp_copies(),
        "tiff": tiff_copies(),
        "bmp": bmp_copies(),
    }
    return {f"{kind}: {name}": case for kind, cases in groups.items() for name, case in cases.items()}
