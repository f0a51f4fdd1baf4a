"""Prepares our docstrings for pages: they are plain text in lines of 120 characters, and pages are Markdown.

- `name: what it is` for an argument becomes an item of a list, with the lines that go on with it.
- A line that ends although the next word had room was ended on purpose, and stays a line: formulas stand in such lines.
- `<name>` outside of code is text and no tag; so is a `*` or `_` in a formula.
"""

import re
from typing import Any

import griffe

WIDTH = 120
NAMES = re.compile(r"([a-z_][a-z0-9_]*(?:, [a-z_][a-z0-9_]*)*): +(?=\S)")


def as_markdown(text: str, arguments: set[str], indent: int) -> str:
    """Returns a docstring as Markdown.

    arguments: names of the function or constructor that it describes
    indent: how far the docstring is indented in its file
    """
    lines = text.splitlines()
    items = [found if (found := NAMES.match(line)) and {*found[1].split(", ")} <= arguments else None for line in lines]
    result = []
    for line, item, following, next_item in zip(lines, items, [*lines[1:], ""], [*items[1:], None], strict=True):
        if item:
            if result and result[-1].strip() and not result[-1].startswith(("- ", "    ")):
                result.append("")  # a list begins after an empty line
            names = ", ".join(f"`{name}`" for name in item[1].split(", "))
            result.append(f"- {names}: {_escaped(line[item.end():])}")
        else:
            goes_on = not line.strip() or not following.strip() or next_item or following.lstrip().startswith("- ")
            before = indent + (0 if result else len('"""'))
            had_room = not goes_on and before + len(line) + 1 + len(following.split()[0]) <= WIDTH
            result.append(_escaped(line) + "  " * had_room)
    return "\n".join(result)


def _escaped(line: str) -> str:
    parts = re.split(r"(`[^`]*`|https?://\S+)", line)
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"(?<!^)([*_])", r"\\\1", parts[number]).replace("<", "&lt;")
    for number in range(1, len(parts), 2):
        if (url := parts[number]).startswith("http"):
            end = len(url.rstrip(".,;:)"))
            parts[number] = f"<{url[:end]}>{url[end:]}"
    return "".join(parts)


class Plain(griffe.Extension):
    """Rewrites the docstrings of our package as they are loaded."""

    def on_package(self, *, pkg: griffe.Module, **more: Any) -> None:
        self._rewrite(pkg)

    def _rewrite(self, thing: griffe.Object, indent: int = 0) -> None:
        if thing.docstring:
            arguments = {parameter.name for parameter in getattr(thing, "parameters", ())}
            thing.docstring.value = as_markdown(thing.docstring.value, arguments, indent)
        for member in thing.members.values():
            if not member.is_alias:
                self._rewrite(member, 0 if member.is_module else indent + 4)
