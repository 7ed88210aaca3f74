"""A text that is read once, from the left, while its clean form and entities are written."""

from __future__ import annotations

from typing import NoReturn

from botproof.doubles.telegram.entities._model import EntityError, utf16_len

_SPACES = " \t\r\n\0\v"


def is_space(char: str) -> bool:
    """Whitespace as td has it; the end of the text, which reads as NUL, counts too."""
    return char in _SPACES


class Scan:
    """The source, the place in it, and what was written so far.

    ``source`` ends in NULs beyond ``size``, so that looking ahead needs no check, as in C.
    """

    __slots__ = ("at", "chunks", "size", "source", "written")

    def __init__(self, text: str) -> None:
        self.source = text + "\0\0\0"
        self.size = len(text)
        self.at = 0
        self.chunks: list[str] = []
        self.written = 0
        """UTF-16 code units written so far: the offset of what comes next."""

    def write(self, text: str) -> None:
        """Append to the clean text."""
        self.chunks.append(text)
        self.written += utf16_len(text)

    def text(self, since: int = 0) -> str:
        """Return the clean text from chunk ``since`` on."""
        return "".join(self.chunks[since:])

    def refuse(self, message: str) -> NoReturn:
        """Raise EntityError."""
        raise EntityError(f"Bad Request: can't parse entities: {message}")

    def refuse_at(self, message: str, place: int, after: str = "") -> NoReturn:
        """Raise EntityError, telling ``place`` in bytes of UTF-8."""
        offset = len(self.source[:place].encode("utf-8", "surrogatepass"))
        self.refuse(f"{message} at byte offset {offset}{after}")

    def skip_one_newline(self) -> None:
        """Pass the line end right after an opening fence: one character, or CR and LF."""
        here, after = self.source[self.at], self.source[self.at + 1]
        if here in "\r\n":
            self.at += 2 if after in "\r\n" and here != after else 1

    def language(self) -> str:
        """Return the word right after an opening fence, if it is one; else nothing is passed."""
        end = self.at
        while not is_space(self.source[end]) and self.source[end] != "`":
            end += 1
        if end == self.at or end >= self.size or self.source[end] == "`":
            return ""
        word = self.source[self.at : end]
        self.at = end
        return word
