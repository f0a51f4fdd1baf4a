"""Compiles the networks of a run (trainer.compile): tries the compiler first, says what is not compiled, and puts what
torch's compiler complains of into a sentence."""

import sys

import torch
from torch._dynamo.exc import TorchDynamoException
from tqdm import tqdm

from saddlepoint.errors import RequestError
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.compiling import compile_networks, first_line
from saddlepoint.game.networks import networks_of
from saddlepoint.game.trick import overrides
from saddlepoint.parallel.first import is_first
from saddlepoint.tricks.gradient_penalty import GradientPenalty, reason_against_compiling

BACKEND = "inductor"  # of torch.compile; tests take one that needs no C++ compiler and no minutes
TWICE = "does not currently support double backward"


def require_compiler(device: torch.device) -> None:
    """Compiles an addition. Raises a RequestError if torch's compiler lacks something here, e.g. a C++ compiler for a
    CPU or Triton for a GPU, which torch itself would say in the middle of the first step."""
    add = torch.compile(lambda numbers: numbers + 1, dynamic=False, backend=BACKEND)
    try:
        add(torch.zeros(8, device=device))
    except RuntimeError as error:  # what a compiler raises has no other common class
        needs = "a C++ compiler (apt install g++)" if device.type == "cpu" else "Triton and a C compiler"
        raise RequestError(f"trainer.compile=true cannot compile here, which needs {needs}: {first_line(error)}. Type "
                           "trainer.compile=false") from error


def compile_game(module: AdversarialModule) -> None:
    """Lets the training steps of a game call its networks, and what penalties compute of them, by compiled code. Raises
    a RequestError if a trick differentiates networks twice otherwise than a penalty does."""
    if twice := [name for name, trick in module.tricks.items()
                 if trick.differentiates_twice or overrides(trick, "both_losses")]:
        raise RequestError(f"trainer.compile=true: trick=[{','.join(twice)}] differentiates networks twice, and "
                           "compiled code cannot be differentiated twice: type trainer.compile=false")
    compile_networks(module, BACKEND, _tell)
    for trick in _penalties(module).values():
        trick.is_compiled = _reason(module) is None


def description(module: AdversarialModule) -> list[str]:
    """Returns the lines that say what of the game is compiled and what is not."""
    names, penalties = [*module.networks], [*_penalties(module)]
    reason = _reason(module) if penalties else None
    compiled = [*names, *([] if reason else [f"the gradients of {name}" for name in penalties])]
    lines = [f"compiling: {', '.join(compiled)}; the first steps take longer, minutes for large networks"]
    if reason:
        lines.append(f"not compiled: the gradients of {', '.join(penalties)}, as {reason}")
    return lines


def refusal(error: BaseException) -> RequestError | None:
    """Returns a refusal in place of an error of torch's compiler, else None."""
    if TWICE in str(error):
        return RequestError("trainer.compile=true: a trick of trick=[...] differentiates the discriminator twice by "
                            "itself, and compiled code cannot be differentiated twice: let it call "
                            "GradientPenalty.squared_norms, or type trainer.compile=false")
    if not isinstance(error, TorchDynamoException):
        return None
    return RequestError(f"trainer.compile=true cannot be kept: torch.compile fails with {type(error).__name__}: "
                        f"{first_line(error)}. Type trainer.compile=false")


def _penalties(module: AdversarialModule) -> dict[str, GradientPenalty]:
    return {name: trick for name, trick in module.tricks.items() if isinstance(trick, GradientPenalty)}


def _reason(module: AdversarialModule) -> str | None:
    """Returns why the penalties of a game are not compiled; None: they are."""
    return reason_against_compiling(module.tricks, networks_of(module.discriminator, "discriminator"))


def _tell(sentence: str) -> None:
    if is_first():
        tqdm.write(sentence, file=sys.stderr)
