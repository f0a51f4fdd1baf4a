"""Records what an NVIDIA GPU is asked to compute, as CUDA graphs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from saddlepoint.errors import RequestError
from saddlepoint.game.devices import is_out_of_memory


class CudaGraphs:
    """Records on one GPU. All graphs share one pool of memory, as what one of them leaves in it no other one needs.

    Steps that are not recorded take place on the same stream as those that are: a gradient would else be added on the
    stream of an earlier step, on which nothing is recorded.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream, self.pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()

    @contextmanager
    def working(self) -> Iterator[None]:
        outside = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outside)
        with torch.cuda.stream(self.stream):
            yield
        outside.wait_stream(self.stream)

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        try:  # thread_local: the thread that pins the loader's batches may go on meanwhile
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                work()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise RequestError(f"trainer.record=true: the GPU cannot record a step of this recipe "
                               f"({str(error).splitlines()[0]}): type trainer.record=false") from error
        graph.replay()  # while it was recorded nothing was computed
        return graph.replay
