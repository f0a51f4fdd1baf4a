"""Puts conf/ into wheels as saddlepoint/conf, since it stands at the top of the repository. Everything else is said in
pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithSettings(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable install finds conf/ where it is
            shutil.copytree("conf", Path(self.build_lib, "saddlepoint", "conf"), dirs_exist_ok=True)


setup(cmdclass={"build_py": WithSettings})
