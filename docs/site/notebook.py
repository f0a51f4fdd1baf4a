"""Shows a notebook as a page: its text, its code, and what its cells printed and drew."""

import json
import re
from collections.abc import Iterator
from html import escape

SHOWN = ("image/png", "image/jpeg", "image/gif", "text/html", "text/plain")  # the first that an output has is shown
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def as_markdown(text: str) -> str:
    """Returns the content of an .ipynb file as Markdown, with its pictures in it."""
    return "\n\n".join(part for cell in json.loads(text)["cells"] for part in _parts(cell)) + "\n"


def _parts(cell: dict) -> Iterator[str]:
    source = "".join(cell["source"]).strip("\n")
    if cell["cell_type"] == "markdown":
        yield source
    elif cell["cell_type"] == "code" and source:
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            yield from _shown(output)


def _shown(output: dict) -> Iterator[str]:
    """Yields what an output shows: of several forms of it, the first in SHOWN."""
    forms = {"text/plain": output["text"]} if output["output_type"] == "stream" else output.get("data", {})
    kind = next((kind for kind in SHOWN if kind in forms), None)
    if kind is None:
        return
    content = "".join(forms[kind])
    if kind.startswith("image/"):
        yield f'<img alt="What the cell above drew" src="data:{kind};base64,{"".join(content.split())}">'
    elif kind == "text/html":
        without_style = re.sub(r"<(style|script)\b.*?</\1>", "", content, flags=re.DOTALL)
        yield f"<div>{without_style.strip()}</div>"
    elif content.strip():
        yield f"<pre><code>{escape(COLOURS.sub('', content).strip())}</code></pre>"
