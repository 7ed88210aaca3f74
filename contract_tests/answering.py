"""A listening socket of a test's, answered from a thread beside it: bytes in, bytes out."""

import socket
import threading
from abc import ABC, abstractmethod
from typing import Self


class Answering(ABC):
    """Answers one connection after the other while the block is entered."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    @abstractmethod
    def answer(self, connection: socket.socket) -> None:
        """Answer one connection, which is closed after that."""

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the test is over
                return
            with connection:
                self.answer(connection)
