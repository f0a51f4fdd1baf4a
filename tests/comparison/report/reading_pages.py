"""A page as a browser takes it apart, without a browser."""

import base64
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np

NO_END = {"img", "input", "meta", "br"}


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

    def charts(self) -> list[dict]:
        """What each chart draws, the numbers of its lines unpacked."""
        charts = [json.loads("".join(each.text)) for each in self.all("script", type="application/json")]
        for line in [line for chart in charts for line in chart["lines"]]:
            packed = {name: value for name, value in line.items() if isinstance(value, dict)}
            line |= {name: np.frombuffer(base64.b64decode(value["base64"]), value["type"]).tolist()
                     for name, value in packed.items()}
        return charts

    def one(self, name: str, **attributes: str) -> Element:
        [found] = self.all(name, **attributes)
        return found
