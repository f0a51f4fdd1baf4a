"""A page as a browser takes it apart, without a browser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from saddlepoint.comparison.report.markup import VOID

NO_END = VOID | {"path"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str | None]
    text: list[str] = field(default_factory=list)  # with that of the elements inside

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


class Page(HTMLParser):
    """elements: all of them, in order; raises where tags do not match"""

    def __init__(self, content: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(content)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        self.elements.append(Element(tag, dict(attributes)))
        if tag not in NO_END:
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag, attributes):
        self.elements.append(Element(tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open and self._open[-1].name == tag, f"</{tag}> ends {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element.text.append(data)

    def all(self, name: str, **attributes: str) -> list[Element]:
        """class_="frame": among its classes; others as they are, _ for -"""
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [each for each in self.elements if each.name == name and all(
            value in (each.attributes.get(key) or "").split(" ") for key, value in wanted.items())]

    def one(self, name: str, **attributes: str) -> Element:
        [found] = self.all(name, **attributes)
        return found
