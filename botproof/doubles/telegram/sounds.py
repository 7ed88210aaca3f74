"""How long a sound or video is, and how large: read from the file itself, as Telegram does.

Source: the formats' own descriptions (ISO 14496-12 for `mvhd` and `tkhd`, RFC 3533 and RFC 7845 for
Ogg with Opus, ISO 11172-3 for the frames of MP3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping


def measures(data: bytes) -> Mapping[str, int]:
    """`duration` (whole seconds), `width` and `height` where the file tells them; else nothing."""
    try:
        if data[4:8] == b"ftyp":
            return _mp4(data)
        if data.startswith(b"OggS"):
            return _ogg(data)
        return _mp3(data)
    except (struct.error, IndexError, ZeroDivisionError):
        return {}


# -- MP4 -----------------------------------------------------------------------------------------


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", data[at + 8 : at + 16])[0], 16
        stop = end if size == 0 else at + size
        if stop > end or stop < at + head:
            return
        yield kind, at + head, stop
        at = stop


def _mp4(data: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind != b"moov":
            continue
        for inner, at, stop in _boxes(data, start, end):
            if inner == b"mvhd":
                found["duration"] = _movie_seconds(data, at)
            elif inner == b"trak":
                found |= _track_size(data, at, stop)
    return found


def _movie_seconds(data: bytes, at: int) -> int:
    if data[at]:  # version 1: 64 bits
        scale, length = struct.unpack(">IQ", data[at + 20 : at + 32])
    else:
        scale, length = struct.unpack(">II", data[at + 12 : at + 20])
    return int(length / scale + 0.5)


def _track_size(data: bytes, start: int, end: int) -> dict[str, int]:
    for kind, at, stop in _boxes(data, start, end):
        if kind == b"tkhd":
            width, height = struct.unpack(">II", data[stop - 8 : stop])
            if width and height and at < stop:
                return {"width": width >> 16, "height": height >> 16}
    return {}


# -- Ogg, MP3 ------------------------------------------------------------------------------------


def _ogg(data: bytes) -> dict[str, int]:
    last = data.rfind(b"OggS")
    samples = struct.unpack("<q", data[last + 6 : last + 14])[0]
    opus, vorbis = data.find(b"OpusHead"), data.find(b"\x01vorbis")
    if opus >= 0:
        skipped = struct.unpack("<H", data[opus + 10 : opus + 12])[0]
        return {"duration": round((samples - skipped) / 48_000)}
    if vorbis >= 0:
        rate = struct.unpack("<I", data[vorbis + 12 : vorbis + 16])[0]
        return {"duration": round(samples / rate)}
    return {}


_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_BITRATES_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_RATES = (44_100, 48_000, 32_000, 0)


def _mp3(data: bytes) -> dict[str, int]:
    at = 0
    if data.startswith(b"ID3"):
        size = 0
        for byte in data[6:10]:
            size = size << 7 | byte & 0x7F
        at = 10 + size
    samples = rate = 0
    while at + 4 <= len(data):
        head = int.from_bytes(data[at : at + 4], "big")
        if head >> 21 != 0x7FF or head >> 17 & 3 != 1:  # no frame, or not of layer III
            break
        version = head >> 19 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
        bitrate = (_BITRATES if version == 3 else _BITRATES_LOW)[head >> 12 & 15] * 1000
        rate = _RATES[head >> 10 & 3] >> (0 if version == 3 else 1 if version == 2 else 2)
        in_frame = 1152 if version == 3 else 576
        at += in_frame // 8 * bitrate // rate + (head >> 9 & 1)
        samples += in_frame
    return {"duration": round(samples / rate)} if samples else {}
