"""Makes HTML elements. Content that is not HTML yet is escaped, so that a run's name cannot become markup."""

from html import escape

VOID = {"img", "input", "meta", "br"}  # elements that have no content and no end tag


class Html(str):
    """A text that is HTML, so it is not escaped."""


def html(content: object) -> Html:
    """Returns HTML as it is, and escapes any other content."""
    return content if isinstance(content, Html) else Html(escape_text(content))


def escape_text(content: object) -> str:
    """Returns the content with &, <, > and quotes escaped, and ? in place of bytes of file names that are no UTF-8."""
    return escape(str(content).encode("utf-8", "replace").decode())


def join(*content: object) -> Html:
    return Html("".join(map(html, content)))


def element(name: str, *content: object, **attributes: object) -> Html:
    """Returns an element with its attributes and content.

    class_="a" becomes class="a", data_row=0 becomes data-row="0"; an attribute that is True has no value, one that is
    None or False is left out.
    """
    texts = "".join(attribute(key, value) for key, value in attributes.items()
                    if value is not None and value is not False)
    return Html(f"<{name}{texts}>" if name in VOID else f"<{name}{texts}>{join(*content)}</{name}>")


def attribute(key: str, value: object) -> str:
    key = key.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape_text(value)}"'
