"""Checks a built site: links and pictures lead somewhere, and nothing is fetched from another host."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}
NEVER_FETCHED = {"canonical", "next", "prev", "alternate"}  # <link rel=...> that a browser does not load


class _Page(HTMLParser):
    """What a page names, links to and fetches"""

    def __init__(self, text: str):
        super().__init__()
        self.anchors, self.links, self.fetched = {""}, [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        fetched = values.get(FETCHED.get(tag, ""))
        if fetched and values.get("rel") not in NEVER_FETCHED:
            self.fetched.append(fetched)


def problems(site: Path) -> list[str]:
    """Returns a sentence for each link that leads nowhere and for each thing that comes from elsewhere."""
    pages = {file: _Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        name = file.relative_to(site)
        found += [f"{name} fetches {url}" for url in page.fetched if urlsplit(url).netloc]
        for link in {*page.links, *page.fetched}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or file.name == "404.html":  # whose links begin at the top of a host
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                found.append(f"{name} links to {link}, which does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name} links to {link}: the page has no such place")
    return sorted({*found})
