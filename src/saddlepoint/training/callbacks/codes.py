"""Shows what the codes of a generator change, and measures how well the first one tells the classes apart."""

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from saddlepoint.config.rules import Count, Positive, Seed, WholeNumber
from saddlepoint.data import pixels
from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.infogan import InfoGANModule
from saddlepoint.game.modes import evaluating
from saddlepoint.sampling import pictures
from saddlepoint.sampling.compositions import vary_codes
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.callbacks.representation import BLOCK, Measured, Representation


class Codes(Representation):
    """A callback that draws each code in a grid and measures `code_accuracy`.

    samples/code1_<images seen>.png has a row for each of `rows` images, and a column for each value of the code; of a
    continuous one, for values from -`reach` to `reach`. The accuracy is of real images: each value of code 1 stands for
    one class at most, in the way that makes most guesses right, and it is their share (Chen et al. 2016, section 7.2,
    https://arxiv.org/abs/1606.03657); the baseline is the share of the largest class. Where the data has no classes, or
    code 1 is continuous, there is none.

    rows: images whose codes are changed
    reach: last value of a continuous code, above 0; it was trained from -1 to 1
    seed: of the images' latents
    The other settings are those of Representation.
    """

    uses_average = False  # the discriminator has no average

    def __init__(self, data: ImageDataModule, every_images: Pace, moments: Sequence[WholeNumber],
                 num_images: Count, rows: Count = 10, reach: Positive = 2.0, seed: Seed = 0):
        super().__init__(data, every_images, moments, num_images)
        self.rows, self.reach, self.seed = rows, reach, seed

    def measure(self, module: InfoGANModule) -> dict[str, Measured]:
        num_values = module.latents.num_values(1)
        if not self.data.num_classes or not num_values:
            return {}
        with evaluating(module.networks["discriminator"]) as discriminator:
            guesses = [discriminator.codes(images, labels)[:, :num_values].argmax(1)
                       for images, labels in self.blocks(module.device)]
        accuracy = matched_accuracy(torch.cat(guesses).cpu(), self.labels)
        return {"code_accuracy": Measured(accuracy, self.labels.bincount().max().item() / len(self.labels))}

    def draw(self, module: InfoGANModule) -> dict[str, Tensor]:
        latents, drawn = module.latents, {}
        with evaluating(module.sampling_generator) as generator:
            base = latents.of_images(self.seed, 0, self.rows)
            for code in range(1, latents.num_codes + 1):
                grid, columns = vary_codes(latents, [code], base, 10, (-self.reach, self.reach))
                labels = torch.zeros(BLOCK, dtype=torch.long, device=module.device)
                images = [pixels.to_bytes(generator(part.to(module.device), labels[:len(part)])).cpu()
                          for part in grid.split(BLOCK)]
                drawn[f"code{code}"] = pictures.grid(torch.cat(images), columns)
        return drawn


def matched_accuracy(values: Tensor, classes: Tensor) -> float:
    """Returns the share of images whose value [N] stands for their class [N], each value for one class at most."""
    table = torch.zeros(int(values.max()) + 1, int(classes.max()) + 1, dtype=torch.long)
    table.index_put_((values, classes), torch.ones_like(classes), accumulate=True)
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    return table[rows, columns].sum().item() / len(classes)
