"""Writes texts so that the shell and Hydra give them back unchanged."""

import re
import shlex
from collections.abc import Iterable, Sequence

from saddlepoint.config import extensions
from saddlepoint.environment import FUNCTIONS, is_called_from_python, program, python_call

QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""  # as Hydra's grammar has it
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*|0|[1-9][0-9]*")
WORDS = ("true", "false", "null", "nan", "inf")  # to Hydra, in any case, no texts
MISSING = "???"  # to OmegaConf a value that is still to be given, however it is quoted


def quoted(text: str) -> str:
    """Returns the text in the quotes of Hydra's grammar, where a backslash has a meaning only before a quote."""
    text = re.sub(r"(\\*)'", r"\1\1\'", text)
    text = re.sub(r"(\\+)\Z", r"\1\1", text)
    return f"'{text}'"


def is_quoted(text: str) -> bool:
    return re.fullmatch(QUOTED, text, re.DOTALL) is not None


def without_interpolation(text: str) -> str:
    """Returns the text with a backslash before each ${, as OmegaConf would put a value in the place of ${...}."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def name(text: str) -> str:
    """Returns the text as a value of Hydra's grammar: `cat`, `'crane (bird)'`."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return quoted(without_interpolation(text))


def names(texts: Iterable[str]) -> str:
    """Returns the texts as a list of Hydra's grammar: `[cat,'crane (bird)']`."""
    return f"[{','.join(map(name, texts))}]"


def word(argument: str) -> str:
    """Returns the argument as a word for a shell. Bytes that are not UTF-8 and control characters need bash's
    $'...'."""
    if all(letter.isprintable() or letter == "\n" for letter in argument):
        in_double_quotes = "'" in argument and not set(argument) & set('"$`\\!')
        return f'"{argument}"' if in_double_quotes else shlex.quote(argument)
    return "$'" + "".join(map(_in_dollar_quotes, argument)) + "'"


def line(words: Iterable[str]) -> str:
    """Returns the words as a command line for a shell."""
    return " ".join(map(word, words))


def command(name: str, *words: str) -> str:
    """Returns a command of ours, e.g. sample, as it is called here, with its settings: a line for a shell, or for
    Python where a program called us.

    Extensions that were typed as folders are typed again.
    """
    typed = extensions.typed()
    if typed and name != "compare" and not any(word.startswith("extensions=") for word in words):
        words = (*words, f"extensions=[{','.join(typed)}]")
    if is_called_from_python() and name in FUNCTIONS:
        return python_call(name, words)
    return line([*program(name), *words])


def readable(text: str) -> str:
    """Returns the text for files that other programs read. Bytes of file names that are not UTF-8 are written
    \\udcff."""
    return text.encode(errors="backslashreplace").decode()


def _in_dollar_quotes(letter: str) -> str:
    if letter in "'\\":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogateescape"))


def separated(text: str) -> list[str]:
    """Splits a text at its commas, except inside quotes and lists: `'a,b', c,[d,e]` -> `'a,b'`, `c`, `[d,e]`."""
    part = re.compile(rf"\s*({QUOTED}|\[.*?\]|[^,]*?)\s*(?:,|\Z)", re.DOTALL)
    parts, position = [], 0
    while position <= len(text):
        match = part.match(text, position)
        parts.append(match[1])
        if match.end() == len(text) and not text[match.start():].endswith(","):
            return parts
        position = match.end()
    return parts


def of_class(setting: str, texts: Sequence[str]) -> str | None:
    """Returns the word for a shell that asks for classes by name, one or several; None if no word can."""
    if any(text == MISSING or "\0" in text for text in texts):
        return None
    if setting == "class" and len(texts) == 1:
        text = texts[0]
        is_other = text in ("null", "all") or text.startswith(("[", "'", '"'))
        is_several = "," in text or text.endswith(")")  # where -m is typed
        return word(f"class={names(texts) if is_other or is_several else text}")
    return word(f"{setting}={names(texts)}")


def shown(text: str) -> str:
    """Returns the text on one line, for a sentence or a list, in quotes where its ends would not be visible."""
    on_one_line = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return f"'{on_one_line}'" if "," in text or text != text.strip() else on_one_line
