"""Computes sums, means and lists over the processes of a run; a process that is alone gets its own values back.

All n processes must call each of these functions, in the same order."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from traceback import clear_frames
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor

from saddlepoint.errors import EndOfRun, ProcessLost
from saddlepoint.parallel import first

SECONDS_TO_MEET = 10  # that a process waits for the others before it ends


def place() -> tuple[int, int]:
    """Returns the number of this process, from 0, and how many processes there are."""
    return (distributed.get_rank(), distributed.get_world_size()) if _is_formed() else (0, 1)


def _is_formed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def is_alone() -> bool:
    return place()[1] == 1


def sum_over_processes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns each tensor's sum over all processes, on the CPU."""
    if is_alone():
        return tensors
    moved = {name: tensor.to(_device(), copy=True) for name, tensor in tensors.items()}
    for tensor in moved.values():
        distributed.all_reduce(tensor)
    return {name: tensor.cpu() for name, tensor in moved.items()}


class _Mean(torch.autograd.Function):
    """The mean y = 1/n sum_r x_r on every process r. Its derivative is the same mean of the gradients, since each x_r
    is in every y with the factor 1/n, and the loss is the mean of the processes' losses."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        mean = tensor.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(mean)
        return mean.div_(place()[1])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _Mean.apply(gradient)


def global_mean(tensor: Tensor) -> Tensor:
    """Returns the mean over the processes, with its gradient for a loss that is the mean of the processes' losses."""
    return tensor if is_alone() else _Mean.apply(tensor)


@torch.no_grad()
def average_(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over the processes; sends one message for all tensors of a dtype."""
    if is_alone():
        return
    by_dtype: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        by_dtype.setdefault(tensor.dtype, []).append(tensor)
    for group in by_dtype.values():
        message = torch.cat([tensor.reshape(-1) for tensor in group])
        distributed.all_reduce(message)
        message /= place()[1]
        for tensor, mean in zip(group, message.split([tensor.numel() for tensor in group]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


def gather(tensor: Tensor) -> Tensor:
    """Concatenates the tensors [N, ...] of all processes to [n N, ...], in the order of the processes and without
    gradient. N must be the same in all."""
    if is_alone():
        return tensor
    pieces = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(place()[1])]
    distributed.all_gather(pieces, tensor.detach().contiguous())
    return torch.cat(pieces)


def gather_objects(value: Any) -> list[Any]:
    """Returns the objects of all processes, in the order of the processes. They should be small, as they are
    pickled."""
    if is_alone():
        return [value]
    values: list[Any] = [None] * place()[1]
    distributed.all_gather_object(values, _on_cpu(value))
    return values


def share_results(act: Callable[[], Any]) -> list[Any]:
    """Calls `act` in each process and returns the results of all processes in each. If it raises an EndOfRun in one of
    them, all processes raise it, and the first one prints the reason."""
    result, refusal = None, None
    try:
        result = act()
    except EndOfRun as end:
        refusal = end
    outcomes = gather_objects((result, refusal and (refusal.exit_code, str(refusal))))
    if refusal:
        refusal.of_all = refusal.agreed = True
        raise refusal
    for number, (_, refused) in enumerate(outcomes):
        if refused:
            end = EndOfRun(f"process {number}: {refused[1]}")
            end.of_all, end.agreed, end.exit_code = True, True, refused[0]
            raise end
    return [outcome for outcome, _ in outcomes]


def _on_cpu(value: Any) -> Any:
    """Returns a copy of plain containers with their tensors on the CPU: unpickled elsewhere, a tensor of a GPU would
    open a context on that GPU in every process."""
    if isinstance(value, Tensor):
        return value.cpu()
    if type(value) is dict:
        return {key: _on_cpu(inner) for key, inner in value.items()}
    return type(value)(map(_on_cpu, value)) if type(value) in (list, tuple) else value


def largest(number: int) -> int:
    """Returns the largest of the processes' numbers."""
    if is_alone():
        return number
    message = torch.tensor(number, device=_device())
    distributed.all_reduce(message, distributed.ReduceOp.MAX)
    return int(message)


class Agreement:
    """Lets the processes agree on the largest of the numbers that they name in a step, without waiting for one another.

    What they named in one step is known in the next, since a message of its own would make every GPU wait in every
    step. A process that is alone knows it at once.
    """

    def __init__(self) -> None:
        self._message: Tensor | None = None
        self._sent: distributed.Work | None = None

    def name(self, number: int) -> int:
        """Names a number, 0 or more; returns the largest that any process named in the step before, 0 in the first."""
        if is_alone():
            return number
        agreed = self._answer()
        self._message = torch.tensor(number, device=_device())
        self._sent = distributed.all_reduce(self._message, distributed.ReduceOp.MAX, async_op=True)
        return agreed

    def end(self) -> None:
        """Receives the last message, which nobody needs, so that the group of processes can be left."""
        self._answer()

    def _answer(self) -> int:
        if self._sent is None:
            return 0
        self._sent.wait()
        self._sent = None
        return int(self._message)


def _device() -> str:
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"


@contextmanager
def join_processes(patience: timedelta | None = None) -> Iterator[bool]:
    """Forms a group of the processes that a launcher such as torchrun started, for the length of the block. Yields
    whether this is the first process, which alone should print. `patience` is how long a collective waits for the other
    processes; None: torch's own, half an hour."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or _is_formed():
        yield place()[0] == 0
        return
    with leaving():
        try:
            distributed.init_process_group("gloo", timeout=patience)
            yield place()[0] == 0
        except RuntimeError as error:
            if not is_lost_process(error):
                raise
            raise ProcessLost(f"A process died or cannot be reached, so all of them end ({error})") from error


def is_lost_process(error: RuntimeError) -> bool:
    """Returns whether an error says that another process cannot be reached. gloo raises plain RuntimeErrors."""
    return isinstance(error, distributed.DistError) or any(name in str(error) for name in ("gloo", "NCCL"))


@contextmanager
def leaving(before_others: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Destroys the group of processes that was formed in the block, whatever ends the block.

    If all processes agree on an end, the first one prints it before any of them ends, since launchers end the others as
    soon as one has failed. `before_others` is called before the message is printed.

    The group has threads that release a collective's tensors a moment after its result, with the help of the
    interpreter; if that has ended, the process aborts. The group waits for its threads only once nothing refers to it,
    and the frames of a failed collective refer to it. So these frames are cleared."""
    if _is_formed():  # whoever formed the group destroys it
        yield
        return
    try:
        yield
    except BaseException as error:
        if _is_formed():
            _clear_frames(error)
            if isinstance(error, EndOfRun) and error.agreed:
                before_others()
                first.print_end(error)
                with suppress(RuntimeError):  # another process has died meanwhile
                    distributed.barrier(async_op=True).wait(timedelta(seconds=SECONDS_TO_MEET))
            elif not (isinstance(error, EndOfRun) and error.of_all):
                distributed.group.WORLD.abort()  # does not wait for the others, which may have died
        raise
    finally:
        if _is_formed():
            distributed.destroy_process_group()


def _clear_frames(error: BaseException | None) -> None:
    while error:
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
