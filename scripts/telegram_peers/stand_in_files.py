"""Files that the suites send and that their archives leave out: heads of the real formats.

python-telegram-bot's .gitignore keeps eight of its data files out of the source archive. These have
the sizes, the pixels and the seconds that its tests expect, and nothing in them to see or hear.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

__all__ = ["jpeg", "write_missing"]


def jpeg(width: int, height: int, size: int) -> bytes:
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + bytes(10)
    return padded(b"\xff\xd8" + frame, size)


def png(width: int, height: int, size: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    crc = struct.pack(">I", zlib.crc32(chunk))
    return padded(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + crc, size)


def webp(width: int, height: int, size: int) -> bytes:
    pixels = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return padded(b"RIFF....WEBPVP8X" + bytes(8) + pixels, size)


def gif(width: int, height: int, size: int) -> bytes:
    return padded(b"GIF89a" + struct.pack("<HH", width, height), size)


def mp4(width: int, height: int, seconds: int, size: int) -> bytes:
    movie = box(b"mvhd", bytes(12), struct.pack(">II", 1000, seconds * 1000), bytes(80))
    track = box(b"tkhd", bytes(76), struct.pack(">II", width << 16, height << 16))
    return padded(box(b"ftyp", b"isom") + box(b"moov", movie, box(b"trak", track)), size)


def box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def ogg(seconds: int, size: int) -> bytes:
    head = b"OggS" + bytes(24) + b"OpusHead\x01\x01" + struct.pack("<H", 312)
    last = b"OggS" + bytes(2) + struct.pack("<q", 48_000 * seconds + 312)
    return head + bytes(size - len(head) - len(last)) + last


def mp3(seconds: int, size: int) -> bytes:
    frame = b"\xff\xfb\x90\x00" + bytes(413)  # 128 kbit/s, 44.1 kHz: 1152 samples
    return padded(frame * (seconds * 44_100 // 1152 + 1), size)


def padded(data: bytes, size: int) -> bytes:
    return data + bytes(size - len(data))


_FILES = {
    "telegram.jpg": jpeg(800, 800, 33_054),
    "telegram.png": png(300, 300, 12_948),
    "telegram.webp": webp(510, 512, 39_518),
    "game.gif": gif(640, 360, 36_535),
    "telegram.mp4": mp4(360, 640, 5, 326_534),
    "telegram2.mp4": mp4(240, 240, 3, 132_084),
    "telegram.ogg": ogg(3, 9_199),
    "telegram.mp3": mp3(3, 122_920),
}


def write_missing(folder: Path) -> None:
    """Write those that are not there."""
    for name, data in _FILES.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(data)
