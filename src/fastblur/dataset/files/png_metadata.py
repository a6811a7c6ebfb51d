"""What a PNG file carries besides its picture: rebuilt from the allowlist, or found."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import TYPE_CHECKING

from fastblur.dataset.files import exif, icc, png_chunks
from fastblur.dataset.files.signatures import holds_image

if TYPE_CHECKING:
    from fastblur.dataset.files.picture import Metadata

# Chunks that say how to show the samples, with the lengths they have.
_RENDERING = {b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}
_STRUCTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
_LARGEST_PROFILE = 16 * 2**20
_SLUGS = {
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text",
    b"tIME": "time",
    b"bKGD": "background",
    b"hIST": "histogram",
    b"sPLT": "suggested-palette",
    b"prVW": "preview",
    b"mkBF": "layers",
    b"mkBS": "layers",
    b"mkTS": "layers",
    b"vpAg": "virtual-page",
    b"caBX": "content-credentials",
}
_RAW_PROFILES = (b"Raw profile type ",)


def profile_of(layout: png_chunks.Layout) -> bytes:
    """The ICC profile, cleaned; empty if there is none that is usable."""
    content = layout.first(b"iCCP")
    if content is None:
        return b""
    _, separator, rest = content[:81].partition(b"\0")
    if not separator or not rest:
        return b""
    start = content.index(b"\0") + 2
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(content[start:], _LARGEST_PROFILE)
    except zlib.error:
        return b""
    return icc.clean(profile) if inflater.eof else b""


def allowed_chunks(
    layout: png_chunks.Layout, written: png_chunks.Header, metadata: Metadata
) -> list[tuple[bytes, bytes]]:
    """New chunks, to stand before the picture data, with what the level lets through."""
    chunks = []
    for kind, length in _RENDERING.items():
        content = layout.first(kind)
        if content is not None and len(content) == length:
            chunks.append((kind, content))
    if profile := profile_of(layout):
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    significant = layout.first(b"sBIT")
    same_samples = (layout.header.depth, layout.header.colour) == (written.depth, written.colour)
    if significant is not None and same_samples and len(significant) == {0: 1, 2: 3, 4: 2, 6: 4}[written.colour]:
        chunks.append((b"sBIT", significant))
    if (block := layout.first(b"eXIf")) and (rebuilt := exif.rebuild(block, metadata)):
        chunks.append((b"eXIf", rebuilt))
    return chunks


def findings(data: bytes, layout: png_chunks.Layout, metadata: Metadata) -> Counter[str]:
    """Everything in a file besides its picture that the level does not allow, by kind."""
    found: Counter[str] = Counter()
    seen: Counter[bytes] = Counter(chunk.type for chunk in layout.chunks)
    animated = b"acTL" in seen
    for chunk in layout.chunks:
        kind, content = chunk.type, chunk.data
        if kind in _STRUCTURE:
            if kind in (b"fcTL", b"fdAT") and not animated:
                found["hidden-frame"] += 1
        elif kind == b"eXIf":
            found.update(exif.findings(content, metadata))
        elif kind == b"iCCP":
            found["icc-damaged"] += not profile_of(layout)
        elif kind == b"sBIT" and len(content) <= 4:
            pass
        elif kind in _RENDERING:
            found["damaged-chunk"] += len(content) != _RENDERING[kind] or not chunk.intact
        else:
            found[_text_slug(content) or _SLUGS.get(kind, "other-chunk")] += 1
        if kind in (b"PLTE", b"tRNS") and holds_image(content):
            found["embedded-image"] += 1
    for kind in (b"eXIf", b"iCCP", b"sBIT", *_RENDERING):
        found["duplicate-chunk"] += max(seen[kind] - 1, 0)
    if layout.end < len(data):
        found["trailing-data"] += 1
    return +found


def _text_slug(content: bytes) -> str | None:
    """The kind of a text chunk that is known to carry more than text."""
    if content.startswith(b"XML:com.adobe.xmp"):
        return "xmp"
    if content.startswith(_RAW_PROFILES):
        return "raw-profile"
    return None
