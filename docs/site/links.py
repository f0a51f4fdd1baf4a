"""Finds the links of a Markdown page and the anchors that other pages may link to."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()([^()\s]+)(\))")  # the text of a link may be a picture
CODE = re.compile(r"^(```|~~~).*?^\1[ \t]*$|^(?: {4}|\t)[^\n]*$|`+[^`\n]+`+", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)


def is_elsewhere(target: str) -> bool:
    """Returns whether a link leads to another host, or to a mail address."""
    return re.match(r"[a-z][a-z0-9+.-]*:", target) is not None


def _outside_code(text: str) -> list[tuple[bool, str]]:
    """Returns the parts of a page in their order, and of each whether it may have links: code may not."""
    places = [0, *(place for found in CODE.finditer(text) for place in found.span()), len(text)]
    return [(number % 2 == 0, text[start:end]) for number, (start, end) in enumerate(pairwise(places))]


def links(text: str) -> list[str]:
    """Returns the targets of a page's links and pictures, as written."""
    return [found[2] for is_text, part in _outside_code(text) if is_text for found in LINK.finditer(part)]


def replace_links(text: str, replace: Callable[[str], str]) -> str:
    """Returns the page with other targets in its links and pictures."""
    return "".join(LINK.sub(lambda found: found[1] + replace(found[2]) + found[3], part) if is_text else part
                   for is_text, part in _outside_code(text))


def headings(text: str) -> list[str]:
    """Returns the headings of a page, as read: without the marks of code, emphasis and links."""
    without_code = re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[`*]", "", LINK.sub(lambda found: found[1].strip("![]("), found[1]))
            for found in HEADING.finditer(without_code)]


def anchor_on_the_site(heading: str) -> str:
    """Returns a heading's anchor as Python-Markdown makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def anchor_on_a_forge(heading: str) -> str:
    """Returns a heading's anchor as forges make it: spaces that punctuation leaves behind stay."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page to which a link works both on the site and on a forge."""
    return {anchor_on_the_site(each) for each in headings(page.read_text(encoding="utf-8"))
            if anchor_on_the_site(each) == anchor_on_a_forge(each)}
