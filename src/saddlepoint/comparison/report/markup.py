"""HTML made of elements. Whatever is not HTML already is escaped, so a run's name stays a name."""

from html import escape

VOID = {"img", "input", "meta", "br"}


class Html(str):
    """Text that is HTML already"""


def html(content: object) -> Html:
    return content if isinstance(content, Html) else Html(escaped(content))


def escaped(content: object) -> str:
    """File names may hold bytes that are no text: ? stands for them."""
    return escape(str(content).encode("utf-8", "replace").decode())


def joined(*content: object) -> Html:
    return Html("".join(map(html, content)))


def element(name: str, *content: object, **attributes: object) -> Html:
    """class_="a" -> class="a", data_row=0 -> data-row="0"; True: without a value; None and False: left out"""
    written = "".join(attribute(key, value) for key, value in attributes.items()
                      if value is not None and value is not False)
    return Html(f"<{name}{written}>" if name in VOID else f"<{name}{written}>{joined(*content)}</{name}>")


def attribute(key: str, value: object) -> str:
    key = key.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escaped(value)}"'
