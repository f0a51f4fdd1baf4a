"""What tests compose is what Hydra composes, the first time and when it is remembered."""

import subprocess
import sys

from tests.composing import CONF

BOTH = """
import pytest
from omegaconf import OmegaConf
from saddlepoint.config.composing import composed
from tests.hydra_once import compose_once

LINES = [[], ["experiment=pacgan_ring"], ["experiment=esrgan_x4", "callbacks=[default,histograms]"],
         ["model=stylegan2", "+mine.own=3", "~model.latents.distribution"], ["loss=[hinge,minimax]"],
         ["trick=[r1,ema]", "tricks.augment.policy=ada", "run.dir='a=b'"], ["data=stacked_digits"],
         ["+trainer@mine=cpu"]]

def all_lines():
    return [(OmegaConf.to_yaml(config), choices) for config, choices in map(composed, LINES)]

plain = all_lines()
compose_once(pytest.MonkeyPatch())
assert all_lines() == plain
assert all_lines() == plain
print(len(plain), "alike")
"""


def test_it_composes_what_hydra_does():
    done = subprocess.run([sys.executable, "-c", BOTH], cwd=CONF.parent, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("8 alike\n", "")
