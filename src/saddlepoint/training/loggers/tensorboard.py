"""TensorBoard: pictures as they are, and a line of the HParams tab for each run.

The tab's columns come from all runs together if none of them says what an experiment is; so unlike runs share a table,
and settings that differ come first. A column is made of every curve as well, in the order of ASCII, and the first five
are shown: hence the capital letters, which bring the final scores to the front. They stand in an event file of their
own, which goes when the run goes on.
"""

import time
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
from saddlepoint.training.loggers.adapter import End, LoggerAdapter

FINAL = "Final"  # tags of scores; of costs Final_cost, which sorts behind
SUFFIX = ".hparams"


class TensorBoard(LoggerAdapter):
    only_unicode = True

    def arguments(self, directory: Path, images_seen: int) -> dict[str, Any]:
        """TensorBoard forgets what it was shown of later steps, which come again."""
        more = {"purge_step": images_seen + 1} if images_seen else {}
        return super().arguments(directory, images_seen) | more

    def begin(self, logger: Logger, directory: Path, settings: dict[str, float | bool | str]) -> None:
        forget_end(directory)

    def show(self, logger: Logger, tag: str, image: Tensor, images_seen: int) -> None:
        """As `writer.add_image`, which would make RGB of grey and resample it: ten times the time, for the same
        picture."""
        channels, height, width = image.shape
        picture = Summary.Image(height=height, width=width, colorspace=channels,
                                encoded_image_string=pictures.png(image))
        summary = Summary(value=[Summary.Value(tag=tag, image=picture)])
        logger.experiment._get_file_writer().add_summary(summary, images_seen)

    def finish(self, logger: Logger, directory: Path, end: End) -> None:
        if not end.goes_on:
            forget_end(directory)
            write_end(directory, end)


def forget_end(directory: Path) -> None:
    for file in directory.glob(f"events.out.tfevents.*{SUFFIX}"):
        file.unlink()


def write_end(directory: Path, end: End) -> None:
    begun = SessionStartInfo(start_time_secs=end.started)
    for name, value in end.settings.items():
        kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
        setattr(begun.hparams[name], f"{kind}_value", value)
    status = Status.STATUS_SUCCESS if end.state == "completed" else Status.STATUS_FAILURE
    values = {f"{FINAL}/{name}": value for name, value in end.scores.items()}
    values |= {f"{FINAL}_cost/{name}": value for name, value in end.cost.items()}
    ended = SessionEndInfo(status=status, end_time_secs=time.time())
    writer = FileWriter(str(directory), filename_suffix=SUFFIX)
    writer.add_summary(Summary(value=[
        session(metadata.SESSION_START_INFO_TAG, session_start_info=begun),
        session(metadata.SESSION_END_INFO_TAG, session_end_info=ended),
        *(Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()),
    ]), end.images_seen)
    writer.close()


def session(tag: str, **info: SessionStartInfo | SessionEndInfo) -> Summary.Value:
    """What tensorboard.plugins.hparams.summary makes where TensorFlow is installed"""
    return Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(HParamsPluginData(**info)),
                         tensor=metadata.NULL_TENSOR)
