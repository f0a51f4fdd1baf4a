"""`make docs`: builds the documentation site into site/, and refuses links that lead nowhere.

Pages are README.md, what stands in docs/, and what reference.py makes. Files of the project that a page links to and
that are no page (a yaml file, an example) become pages that show them.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs.site.checking import problems
from docs.site.links import is_elsewhere, replace_links
from docs.site.notebook import as_markdown
from docs.site.reference import api_pages, page_of_settings, settings_pages

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "site"  # what the site is made from; git ignores it, and site/ too
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".json": "json", ".md": "markdown"}
SHOWN_AS_THEY_ARE = (".png", ".svg", ".webp", ".gif")


class Pages:
    """The pages of the site, by their path in it, and the files that they show."""

    def __init__(self, root: Path):
        self.root = root
        self.texts: dict[str, str] = {}
        self.shown: dict[Path, str] = {}  # files outside docs/ that are linked -> their pages

    def add(self, file: Path, name: str) -> None:
        """Adds a stored page, with its links to other files of the project as they are in the site."""
        self.texts[name] = replace_links(file.read_text(encoding="utf-8"), lambda link: self.in_site(link, file, name))

    def in_site(self, link: str, file: Path, name: str) -> str:
        """Returns a link of this stored page for the page of this name in the site."""
        place, mark, anchor = link.partition("#")
        if is_elsewhere(link) or not place:
            return link
        target = (file.parent / place).resolve()
        if not target.exists():
            raise SystemExit(f"{file.relative_to(self.root)} links to {link}, which does not exist")
        up = "../" * name.count("/")
        return up + self.page_of(target) + mark + anchor

    def page_of(self, target: Path) -> str:
        """Returns where a file or folder of the project is in the site."""
        place = target.relative_to(self.root)
        if place == Path("README.md"):
            return "index.md"
        if place.parts[0] == "docs":
            return str(Path(*place.parts[1:]))
        if place.parts[0] == "conf":
            return page_of_settings(target.relative_to(self.root / "conf"))
        self.shown.setdefault(target, f"files/{'_'.join(place.parts)}.md")
        return self.shown[target]

    def add_shown_files(self) -> None:
        """Adds a page for each file or folder outside docs/ that is linked, also from a notebook that is shown."""
        while waiting := {target: name for target, name in self.shown.items() if name not in self.texts}:
            for target, name in waiting.items():
                self.texts[name] = self.page_that_shows(target)

    def page_that_shows(self, target: Path) -> str:
        if target.suffix == ".ipynb":
            return replace_links(as_markdown(target.read_text(encoding="utf-8")),
                                 lambda link: self.in_site(link, target, self.shown[target]))
        sections = [f"# {target.relative_to(self.root)}\n"]
        for file in [target] if target.is_file() else sorted(target.rglob("*")):
            if file == target or file.suffix in LANGUAGES and "__pycache__" not in file.parts:
                heading = f"## {file.relative_to(target)}\n\n" if target.is_dir() else ""
                text = file.read_text(encoding="utf-8").rstrip("\n")
                sections.append(f"{heading}````{LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n")
        return "\n".join(sections)

    def write(self, folder: Path) -> None:
        for name, text in self.texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")


def collected(root: Path) -> Pages:
    """Returns all pages of the site."""
    pages = Pages(root)
    pages.add(root / "README.md", "index.md")
    for file in sorted((root / "docs").rglob("*.md")):
        pages.add(file, str(file.relative_to(root / "docs")))
    pages.add_shown_files()
    pages.texts |= settings_pages(root / "conf") | api_pages(root / "src")
    return pages


def with_navigation(settings: str, pages: Pages) -> str:
    """Returns mkdocs.yml with the made pages in the places of `settings/` and `api/`. Refuses what does not match."""
    lines, listed = [], []
    for line in settings.splitlines():
        indent, entry = line[:len(line) - len(line.lstrip())], line.split()[-1] if line.split() else ""
        if entry in ("settings/", "api/"):
            made = [name for name in pages.texts if name.startswith(entry)]
            lines += [line.removesuffix(f" {entry}"), *(f"{indent}    - {name}" for name in made)]
            listed += made
        else:
            lines.append(line)
            listed += [entry] if entry.endswith(".md") else []
    stored = {name for name in pages.texts if not name.startswith("files/")}
    for names, what in ((stored - {*listed}, "has no place in `nav` for"),
                        ({*listed} - {*pages.texts}, "names in `nav` what does not exist:"),
                        ({name for name in listed if listed.count(name) > 1}, "names more than once in `nav`")):
        if names:
            raise SystemExit(f"docs/site/mkdocs.yml {what} {', '.join(sorted(names))}")
    return "\n".join(lines) + "\n"


def build(root: Path = ROOT, where: Path = BUILD) -> Path:
    """Builds the site in a folder of `where` and returns it. Raises SystemExit with all that is wrong."""
    shutil.rmtree(where, ignore_errors=True)
    pages = collected(root)
    pages.write(where / "pages")
    for file in (root / "docs" / "images").iterdir():
        if file.suffix in SHOWN_AS_THEY_ARE:
            (where / "pages" / "images").mkdir(exist_ok=True)
            shutil.copy(file, where / "pages" / "images")
    here = root / "docs" / "site"
    shutil.copy(here / "style.css", where / "pages")
    settings = with_navigation((here / "mkdocs.yml").read_text(encoding="utf-8"), pages)
    place = json.dumps(str(root), ensure_ascii=False)[1:-1]  # as it stands in quotes
    (where / "mkdocs.yml").write_text(settings.replace("ROOT/", f"{place}/"), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict", "-f", where / "mkdocs.yml"],
                          stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)  # without colours
        raise SystemExit(said.partition("Traceback")[0] + "The site was not built.")
    if found := problems(where / "site"):
        raise SystemExit("\n".join([*found, "The site was not built."]))
    return where / "site"


def main() -> None:
    built, target = build(), ROOT / "site"
    shutil.rmtree(target, ignore_errors=True)
    built.rename(target)
    count = len([*target.rglob("*.html")])
    print(f"{count} pages: open site/index.html. To search them, type python -m http.server --directory site")


if __name__ == "__main__":
    main()
