"""describe=true prints the tables that documents print."""

import pytest
import torch
from torch import nn

from saddlepoint.commands.description import describe, layers, table
from tests.composing import settings

FOLDER = ("data.root=anywhere",)


def described(capsys, *overrides):
    describe(settings(*overrides))
    return capsys.readouterr().out.split("\n\n")[:2]


# The counts that the documents print, or that follow from the layers they print.
@pytest.mark.parametrize(("overrides", "generator", "discriminator"), [
    (("experiment=report_mlp",), "559,632 trainable weights", "226,761 trainable weights"),
    (("experiment=lesson_mlp",), "581,520 trainable weights, 1,792 running statistics", "533,505 trainable weights"),
    (("experiment=notebook_vanilla",), "1,486,352 trainable weights", "1,460,225 trainable weights"),
    (("experiment=lecture_dcgan", *FOLDER), "34,512,035 trainable weights, 960 running statistics",
     "921,025 trainable weights"),
    (("experiment=lecture_dcgan", *FOLDER, "model.generator.maps=[128,32,16]"), "34,418,707 trainable weights",
     "921,025 trainable weights"),
    (("experiment=lecture_cgan_256", *FOLDER), "34,566,295 trainable weights, 448 running statistics",
     "3,978,165 trainable weights"),
    (("experiment=lecture_cgan_256", *FOLDER, "model.discriminator.kernel_sizes=[4,4,4]"),
     "34,566,295 trainable weights", "4,264,885 trainable weights"),
    (("experiment=lecture_cgan",), "trainable weights", "716,725 trainable weights"),
    (("experiment=wgan_gp_cifar10",), "1,204,483 trainable weights", "1,053,825 trainable weights"),
    (("experiment=sngan_cifar10",), "4,276,739 trainable weights", "1,053,825 trainable weights"),
    (("experiment=dcgan_celeba64", *FOLDER), "3,576,704 trainable weights", "2,765,568 trainable weights"),
    (("experiment=dcgan_cifar10",), "1,068,928 trainable weights", "663,296 trainable weights"),
    (("experiment=r3gan_cifar10",), "20,781,952 trainable weights", "21,280,512 trainable weights"),
    (("experiment=r3gan_cifar10", "model=r3gan"), "20,732,160 trainable weights", "20,683,776 trainable weights"),
    (("experiment=r3gan_ffhq64", *FOLDER), "22,429,824 trainable weights", "22,381,440 trainable weights"),
    (("experiment=r3gan_ffhq256", *FOLDER), "23,057,952 trainable weights", "23,009,568 trainable weights"),
    (("experiment=r3gan_imagenet32", *FOLDER), "82,914,304 trainable weights", "86,548,992 trainable weights"),
    (("experiment=r3gan_imagenet64", *FOLDER), "103,570,432 trainable weights", "107,205,120 trainable weights"),
    (("experiment=sagan_cifar10",), "4,386,308 trainable weights", "1,075,586 trainable weights"),
    (("experiment=biggan_cifar10",), "9,416,196 trainable weights", "2,415,170 trainable weights"),
    (("experiment=stylegan2_cifar10",), "20,215,315 trainable weights", "23,089,664 trainable weights"),
])
def test_an_experiment_has_the_weights_of_its_document(capsys, overrides, generator, discriminator):
    tables = described(capsys, *overrides)
    assert tables[0].startswith("Generator") and generator in tables[0].splitlines()[-1]
    assert tables[1].startswith("Discriminator") and discriminator in tables[1].splitlines()[-1]


def test_every_layer_stands_with_the_shape_that_comes_out_and_its_weights(capsys):
    generator, discriminator = described(capsys, "experiment=lecture_dcgan", *FOLDER)
    lines = [" ".join(line.split()) for line in generator.splitlines()]
    assert "layers.0.linear Linear [N, 262144] 33,816,576" in lines  # 128 x 262,144 and as many biases
    assert "layers.3 ConvTranspose2d [N, 128, 64, 64] 524,416" in lines
    assert "layers.13 Conv2d [N, 3, 256, 256] 6,147" in lines  # 8 x 8 x 32 x 3 + 3
    assert "blocks.0.0 Conv2d [N, 64, 128, 128] 3,136" in " ".join(discriminator.split())


def test_weights_beside_the_layers_are_counted():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.linear = nn.Parameter(torch.ones(3)), nn.Linear(2, 3)

        def forward(self, x):
            return self.scale * self.linear(x)

    rows = layers(Scaled(), torch.zeros(4, 2))
    assert [(row.name, row.weights) for row in rows] == [("linear", 9), ("", 3)]
    assert table(rows).splitlines()[-1] == "12 trainable weights"


def test_weights_that_another_layer_reads_are_counted_and_those_of_a_layer_that_computes_twice_once():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.read, self.twice = nn.Linear(2, 3), nn.Linear(2, 2)

        def forward(self, x):
            return self.twice(self.twice(x)) @ self.read.weight.T

    lines = [" ".join(line.split()) for line in table(layers(Shared(), torch.zeros(1, 2))).splitlines()]
    assert lines[1:] == ["twice Linear [N, 2] 6", "twice Linear [N, 2]", "read Linear read 9", "15 trainable weights"]
