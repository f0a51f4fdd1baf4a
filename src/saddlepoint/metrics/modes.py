"""Measures whether a generator leaves out kinds of images. N fakes, K classes."""

import torch

from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.bootstrap import ONE_IMAGE, centred_interval, resampling_weights
from saddlepoint.metrics.metric import Measurement, Metric, Sample


class RarestClass(Metric):
    """The smallest share of a class among the fakes, where each fake counts for its most probable class. It goes from
    0, if a class is never drawn, to 1 / K, if all are drawn equally often. The details have the share of each class.
    Missing modes have been found by counting classes since Metz et al. 2017, section 3.3.1,
    https://arxiv.org/abs/1611.02163.

    A classifier assigns a class to any image, even to noise. So a high value means that no class is left out, not that
    the images are good.
    """

    name = "rarest_class"
    greater_is_better = True
    needs_classes = True
    needs_logits = True

    def measure(self, real: Sample, fake: Sample, seed: int, resamples: int) -> Measurement:
        classes = fake.logits.argmax(1).cpu()
        num_classes = fake.logits.shape[1]
        shares = classes.bincount(minlength=num_classes).double() / len(classes)
        interval, reason = None, ""
        if resamples and len(classes) < 2:
            reason = ONE_IMAGE
        elif resamples:
            one_hot = torch.nn.functional.one_hot(classes, num_classes).double()
            weights = resampling_weights(len(classes), seed_of(seed, 0, self.name), resamples)
            smallest = torch.stack([(row.double() @ one_hot).min() / len(classes) for row in weights])
            interval = centred_interval(shares.min().item(), smallest)
        details = {str(label): share for label, share in enumerate(shares.tolist())}
        return Measurement(shares.min().item(), interval, details=details, reason=reason)
