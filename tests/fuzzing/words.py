"""What a program said, and whether it names a file."""

import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_named(path: Path, words: str) -> bool:
    """In any form of Unicode; bytes that are none may be spelt \\udcff"""
    name, words = (unicodedata.normalize("NFC", text.encode(errors="backslashreplace").decode())
                   for text in (path.name, words))
    return name in words


@contextmanager
def words_of_the_log() -> Iterator[list[str]]:
    """Warnings, as they are given"""
    words, log = [], logging.getLogger("saddlepoint")
    handler = logging.Handler()
    handler.emit = lambda record: words.append(record.getMessage())
    log.addHandler(handler)
    try:
        yield words
    finally:
        log.removeHandler(handler)
