"""What takes long to import of what our commands import, and all that is ours; see warm.py."""

import gc
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import hydra.core.plugins
import optuna  # noqa: F401
import PIL.Image
import pytest
import tensorboard.compat.proto.event_pb2  # noqa: F401
import torch._dynamo  # noqa: F401  (the first step of an optimizer imports it)
import torch.utils.tensorboard  # noqa: F401

import saddlepoint
from saddlepoint.config.check import checked_settings
from saddlepoint.config.composing import composed
from saddlepoint.data.sources import mnist5k
from tests.digits import read_digits_once
from tests.hydra_once import compose_once
from tests.lightning_once import look_around_once

for _, name, _ in walk_packages(saddlepoint.__path__, "saddlepoint."):
    if not name.startswith("saddlepoint.compat."):  # basicsr stays where it is asked for
        import_module(name)
hydra.core.plugins.Plugins.instance()  # looks through hydra_plugins
PIL.Image.preinit()
compose_once(pytest.MonkeyPatch())
read_digits_once(pytest.MonkeyPatch())
look_around_once(pytest.MonkeyPatch())
threads = torch.get_num_threads()
torch.set_num_threads(1)  # a process that has used several cannot be copied
mnist5k.read_all()
torch.set_num_threads(threads)
checked_settings(composed((), "train")[0])  # reads the constructors that most commands ask for
assert sys.platform != "linux" or len([*Path("/proc/self/task").iterdir()]) == 1, "a copy has one thread, and waits"
gc.collect()
gc.freeze()  # a collection in a copy would look at all that is here, and so copy it page by page
