"""The EXIF tags a rebuilt file may carry, at which `metadata` level, and how long their values may be.

Everything that is not in these tables is dropped. Tags of fixed size get little room; no level lets through a value
long enough for a preview picture.
"""

from __future__ import annotations

SHORT = 256
TEXT = 2048

EXIF_POINTER = 0x8769
GPS_POINTER = 0x8825
INTEROP_POINTER = 0xA005
ORIENTATION = 0x0112

# fmt: off
SAFE_IFD0 = frozenset({
    0x010F, 0x0110,                  # Make, Model
    ORIENTATION,
    0x011A, 0x011B, 0x0128,          # XResolution, YResolution, ResolutionUnit
    0x0131, 0x0132,                  # Software, DateTime
    0x013E, 0x013F,                  # WhitePoint, PrimaryChromaticities
    0x0211, 0x0213, 0x0214,          # YCbCrCoefficients, YCbCrPositioning, ReferenceBlackWhite
    0x8298,                          # Copyright: a legal notice, which stays with the picture
})
SAFE_EXIF = frozenset({
    0x829A, 0x829D,                  # ExposureTime, FNumber
    0x8822, 0x8827,                  # ExposureProgram, PhotographicSensitivity
    0x8830, 0x8831, 0x8832, 0x8833,  # SensitivityType and its values
    0x9000, 0x9003, 0x9004,          # ExifVersion, DateTimeOriginal, DateTimeDigitized
    0x9010, 0x9011, 0x9012,          # OffsetTime, -Original, -Digitized
    0x9101, 0x9102,                  # ComponentsConfiguration, CompressedBitsPerPixel
    0x9201, 0x9202, 0x9203, 0x9204, 0x9205, 0x9206, 0x9207, 0x9208, 0x9209, 0x920A,  # ShutterSpeedValue to FocalLength
    0x9290, 0x9291, 0x9292,          # SubSecTime, -Original, -Digitized
    0xA000, 0xA001, 0xA002, 0xA003,  # FlashpixVersion, ColorSpace, PixelXDimension, PixelYDimension
    0xA20E, 0xA20F, 0xA210, 0xA215, 0xA217,  # focal plane resolution and unit, ExposureIndex, SensingMethod
    0xA300, 0xA301,                  # FileSource, SceneType
    0xA401, 0xA402, 0xA403, 0xA404, 0xA405, 0xA406, 0xA407, 0xA408, 0xA409, 0xA40A, 0xA40C,  # CustomRendered to range
    0xA432, 0xA433, 0xA434,          # LensSpecification, LensMake, LensModel
    0xA500,                          # Gamma
})
SAFE_INTEROP = frozenset({0x0001, 0x0002})

KEEP_IFD0 = SAFE_IFD0 | {
    0x010E, 0x013B, 0x013C,          # ImageDescription, Artist, HostComputer
    0x4746, 0x4749,                  # Rating, RatingPercent
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,  # Windows' title, comment, author, keywords, subject
}
KEEP_EXIF = SAFE_EXIF | {
    0x9214, 0xA214,                  # SubjectArea, SubjectLocation: they may point at a face
    0x9286,                          # UserComment
    0x9400, 0x9401, 0x9402, 0x9403, 0x9404, 0x9405,  # temperature, humidity, pressure, depth, acceleration, elevation
    0xA420, 0xA430, 0xA431, 0xA435,  # ImageUniqueID, CameraOwnerName, BodySerialNumber, LensSerialNumber
}
KEEP_GPS = frozenset(range(0x20))

LONG_TEXT = frozenset({
    0x010E, 0x013B, 0x8298, 0x9286, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,
})
# fmt: on

# The names under which dropped tags are counted; every other tag counts as "exif-other".
SLUGS = {
    0x014A: "sub-ifd",
    0x0201: "exif-thumbnail",
    0x0202: "exif-thumbnail",
    0x02BC: "xmp",
    0x83BB: "iptc",
    0x8649: "photoshop",
    0x935C: "layers",
    0x927C: "makernote",
    0xC634: "makernote",
    0x013B: "owner",
    0xA430: "owner",
    0x9C9D: "owner",
    0xA431: "serial-number",
    0xA435: "serial-number",
    0xC62F: "serial-number",
    0xA420: "serial-number",
    GPS_POINTER: "gps",
}

ALLOWED = {
    "strip": {
        "ifd0": frozenset({ORIENTATION}),
        "exif": frozenset[int](),
        "gps": frozenset[int](),
        "interop": frozenset[int](),
    },
    "safe": {"ifd0": SAFE_IFD0, "exif": SAFE_EXIF, "gps": frozenset[int](), "interop": SAFE_INTEROP},
    "keep": {"ifd0": KEEP_IFD0, "exif": KEEP_EXIF, "gps": KEEP_GPS, "interop": SAFE_INTEROP},
}


def longest(tag: int) -> int:
    """The most bytes an allowed tag may have."""
    return TEXT if tag in LONG_TEXT else SHORT
