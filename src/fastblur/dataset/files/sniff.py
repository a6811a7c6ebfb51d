"""Tell an image format from the first bytes of a file."""

from __future__ import annotations


def sniff(head: bytes) -> str | None:
    """The format of a file by its content.

    Parameters
    ----------
    head : bytes
        The beginning of the file; 16 bytes suffice.

    Returns
    -------
    str or None
        ``jpeg``, ``png``, ``webp``, ``tiff``, ``bmp``, or None for anything else (HEIC, GIF, video, text).

    Examples
    --------
    >>> sniff(b"\\xff\\xd8\\xff\\xe0\\x00\\x10JFIF")
    'jpeg'
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    # "BM" alone also begins many texts; the header's size field tells them apart.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
        return "bmp"
    return None
