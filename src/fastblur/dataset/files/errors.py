"""The one error of this package: a file that is no usable image, and why."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "not-an-image",
    "truncated",
    "damaged",
    "too-large",
    "multi-frame",
    "unsupported",
    "check-failed",
]


class ImageFileError(ValueError):
    """An image file that cannot be read, or be rebuilt, completely.

    Attributes
    ----------
    reason : str
        A stable slug for records: ``not-an-image`` (the content is none of the handled formats), ``truncated`` (the
        file ends early), ``damaged`` (its structure or its compressed data is wrong), ``too-large`` (more pixels than
        allowed), ``multi-frame`` (frames that cannot be rebuilt safely), ``unsupported`` (valid, but of a kind that is
        not handled), ``check-failed`` (the file just made does not read back as what was to be written).
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason: Reason = reason
