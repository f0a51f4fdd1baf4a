"""Pages and tables replace older ones whole or not at all."""

import errno
from pathlib import Path

import pytest

from saddlepoint.comparison.report.writing import write
from saddlepoint.errors import DiskFull


def test_a_full_disk_leaves_the_older_page(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    write(page, "whole", "page")
    write_text = Path.write_text

    def cut_short(self, text, **more):
        write_text(self, text[:3], **more)
        raise OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch, pytest.raises(DiskFull):
        patch.setattr(Path, "write_text", cut_short)
        write(page, "another", "page")
    assert page.read_text() == "whole" and [*tmp_path.iterdir()] == [page]


def test_a_link_stays_one(tmp_path):
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")
    write(tmp_path / "link.html", "text", "page")
    assert (tmp_path / "link.html").is_symlink() and (tmp_path / "page.html").read_text() == "text"
