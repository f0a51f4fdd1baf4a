"""The adapter for TensorBoard: what its tabs show of a run.

TIME SERIES sorts its charts by name, in the order of ASCII: losses of D and G (discriminator/, generator/), D's scores
(logits/, probability/), then quality/, samples/, schedule/, stability/, throughput/. Final values, charts of a single
point, must sort last.

HPARAMS takes its columns from all runs if none defines an experiment: different runs share a table, with differing
settings first. Each curve becomes a column as well. Final values are in an event file of their own, which is deleted
when the run is continued.

CUSTOM SCALARS has the curves of both players in one chart.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from torch import Tensor
from torch.utils.tensorboard.writer import FileWriter

from saddlepoint.sampling import pictures
from saddlepoint.training.loggers.adapter import End, LoggerAdapter, histogram

FINAL = "value_at_end"  # sorts after all curves
LAYOUT = {  # of CUSTOM SCALARS: title of a chart -> patterns of the curves in it; with several contests more than two
    "losses of D and G": ["Multiline", ["discriminator/total", "generator/total"]],
    "scores that D gives real and fake images": ["Multiline", [r"logits/(.*\.)?(real|fake)"]],
    "probability, by D, that an image is real": ["Multiline", [r"probability/(.*\.)?(real|fake)"]],
}
SUFFIX = ".hparams"


class TensorBoard(LoggerAdapter):
    """An adapter that shows pictures unchanged and writes the row of the HParams tab."""

    only_unicode = True
    shows_histograms = True

    def arguments(self, directory: Path, images_seen: int) -> dict[str, Any]:
        """Returns the arguments; a continued run purges later steps, which it will write again."""
        more = {"purge_step": images_seen + 1} if images_seen else {}
        return super().arguments(directory, images_seen) | more

    def begin(self, logger: Logger, directory: Path, settings: dict[str, float | bool | str]) -> None:
        delete_end(directory)
        logger.experiment.add_custom_scalars({"D and G": LAYOUT})

    def log_curves(self, logger: Logger, curves: Mapping[str, float], images_seen: int) -> None:
        """Adds a point to each of these curves, all in one event: `writer.add_scalar` takes seven times as long."""
        points = [Summary.Value(tag=name, simple_value=value) for name, value in curves.items()]
        logger.experiment._get_file_writer().add_summary(Summary(value=points), images_seen)

    def show(self, logger: Logger, tag: str, image: Tensor, images_seen: int) -> None:
        """Shows a picture. `writer.add_image` would convert grey to RGB and resample it, which takes ten times as long
        for the same picture."""
        channels, height, width = image.shape
        picture = Summary.Image(height=height, width=width, colorspace=channels,
                                encoded_image_string=pictures.png(image))
        summary = Summary(value=[Summary.Value(tag=tag, image=picture)])
        logger.experiment._get_file_writer().add_summary(summary, images_seen)

    def show_histogram(self, logger: Logger, tag: str, numbers: Tensor, images_seen: int) -> None:
        counts, edges = histogram(numbers)
        numbers = numbers.double()
        logger.experiment.add_histogram_raw(
            tag, edges[0], edges[-1], len(numbers), numbers.sum().item(), numbers.square().sum().item(),
            bucket_limits=edges[1:], bucket_counts=counts, global_step=images_seen)

    def finish(self, logger: Logger, directory: Path, end: End) -> None:
        if not end.goes_on:
            delete_end(directory)
            write_end(directory, end)


def delete_end(directory: Path) -> None:
    """Deletes the event files with the end of the run."""
    for file in directory.glob(f"events.out.tfevents.*{SUFFIX}"):
        file.unlink()


def write_end(directory: Path, end: End) -> None:
    """Writes an event file with the settings, the state and the final scores of the run."""
    start_info = SessionStartInfo(start_time_secs=end.started)
    for name, value in end.settings.items():
        kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
        setattr(start_info.hparams[name], f"{kind}_value", value)
    status = Status.STATUS_SUCCESS if end.state == "completed" else Status.STATUS_FAILURE
    values = {f"{FINAL}/{name}": value for name, value in end.scores.items()}
    values |= {f"{FINAL}/{name}": value for name, value in end.cost.items()}
    end_info = SessionEndInfo(status=status, end_time_secs=time.time())
    writer = FileWriter(str(directory), filename_suffix=SUFFIX)
    writer.add_summary(Summary(value=[
        session(metadata.SESSION_START_INFO_TAG, session_start_info=start_info),
        session(metadata.SESSION_END_INFO_TAG, session_end_info=end_info),
        *(Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()),
    ]), end.images_seen)
    writer.close()


def session(tag: str, **info: SessionStartInfo | SessionEndInfo) -> Summary.Value:
    """Returns the entry that tensorboard.plugins.hparams.summary makes, which needs TensorFlow."""
    return Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(HParamsPluginData(**info)),
                         tensor=metadata.NULL_TENSOR)
