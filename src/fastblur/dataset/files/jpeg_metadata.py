"""What a JPEG file carries besides its picture: rebuilt from the allowlist, or found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fastblur.dataset.files import exif, icc
from fastblur.dataset.files import jpeg_markers as jm
from fastblur.dataset.files.signatures import holds_image

if TYPE_CHECKING:
    from fastblur.dataset.files.picture import Metadata

_ICC_CHUNK = 65533 - 14
_EXIF_LIMIT = 65533 - 6


def allowed_segments(layout: jm.Layout, metadata: Metadata) -> bytes:
    """New APPn segments with what the level lets through, to stand right behind SOI."""
    parts = []
    if layout.jfif:
        parts.append(jm.jfif_header(layout.jfif))
    if layout.exif:
        block = exif.rebuild(layout.exif, metadata)
        if len(block) > _EXIF_LIMIT:
            block = exif.rebuild(layout.exif, "safe")
        if block:
            parts.append(jm.segment(jm.APP1, b"Exif\0\0" + block))
    if layout.icc and (profile := icc.clean(layout.icc)):
        chunks = [profile[i : i + _ICC_CHUNK] for i in range(0, len(profile), _ICC_CHUNK)]
        for number, chunk in enumerate(chunks, 1):
            parts.append(jm.segment(jm.APP2, b"ICC_PROFILE\0" + bytes((number, len(chunks))) + chunk))
    if layout.adobe:
        # It decides whether the components are transformed, and for CMYK that they are inverted.
        parts.append(jm.segment(jm.APP14, layout.adobe.payload[:12]))
    return b"".join(parts)


def with_segments(stream: bytes, segments: bytes) -> bytes:
    """An encoder's stream with these application segments in place of whatever APPn and COM segments it has."""
    view = memoryview(stream)
    parts: list[bytes | memoryview] = [view[:2], segments]
    position = kept = 2
    while (marker := stream[position + 1]) != jm.SOS:
        end = position + 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        if 0xE0 <= marker <= 0xEF or marker == jm.COM:
            parts.append(view[kept:position])
            kept = end
        position = end
    parts.append(view[kept:])
    return b"".join(parts)


def findings(data: bytes, layout: jm.Layout, metadata: Metadata) -> Counter[str]:
    """Everything in a file besides its one picture that the level does not allow, by kind."""
    found: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for segment in layout.segments:
        if segment.marker in jm.OF_THE_PICTURE:
            if segment.marker != jm.DHT and holds_image(segment.payload):
                found["embedded-image"] += 1
            continue
        kind, allowed = _classify(segment, metadata, found)
        if allowed:
            seen[kind] += 1
            if seen[kind] > 1 and kind != "icc":
                found["duplicate-segment"] += 1
        else:
            found[kind] += 1
    if seen["icc"]:
        profile = layout.icc
        if profile is None or icc.clean(profile) != profile:
            found["icc-damaged"] += 1
    if layout.end is not None and layout.end < len(data):
        found["trailing-data"] += 1
    if layout.stray:
        found["stray-data"] += 1
    return found


def _classify(segment: jm.Segment, metadata: Metadata, found: Counter[str]) -> tuple[str, bool]:
    """The kind of a segment that is not of the picture, and whether it may stay; EXIF findings go into `found`."""
    marker, payload = segment.marker, segment.payload
    if marker == jm.APP0 and payload.startswith(b"JFIF\0"):
        if len(payload) > 14:
            return "jfif-thumbnail", False
        return ("jfif", True) if len(payload) == 14 else ("app0", False)
    if marker == jm.APP0 and payload.startswith(b"JFXX\0"):
        return "jfxx-thumbnail", False
    if marker == jm.APP1 and payload.startswith(b"Exif\0"):
        found.update(exif.findings(payload[6:], metadata))
        return "exif", True
    if marker == jm.APP1 and payload.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        return "xmp", False
    if marker == jm.APP1 and payload.startswith(b"http://ns.adobe.com/xmp/extension/\0"):
        return "xmp-extended", False
    if marker == jm.APP2 and payload.startswith(b"ICC_PROFILE\0"):
        return "icc", True
    if marker == jm.APP2 and payload.startswith(b"MPF\0"):
        return "mpf", False
    if marker == jm.APP13 and payload.startswith(b"Photoshop 3.0\0"):
        # Image resources 1033 and 1036 are the thumbnails.
        thumbnail = b"8BIM\x04\x09" in payload or b"8BIM\x04\x0c" in payload
        return "photoshop-thumbnail" if thumbnail else "photoshop", False
    if marker == jm.APP14 and payload.startswith(b"Adobe") and len(payload) == 12:
        return "adobe", True
    if 0xE0 <= marker <= 0xEF:
        return f"app{marker - 0xE0}", False
    if marker == jm.COM:
        return "comment", False
    return f"marker-{marker:02x}", False
