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
from saddlepoint.tricks.gradient_penalty import GradientPenalty

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
    reasons = _reasons(module)
    for name, trick in _penalties(module).items():
        trick.is_compiled = reasons[name] is None


def description(module: AdversarialModule) -> list[str]:
    """Returns the lines that say what of the game is compiled and what is not."""
    reasons = _reasons(module)
    computed = {name: f"the {trick.computes} of {name}" for name, trick in _penalties(module).items()}
    compiled = [*module.networks, *(words for name, words in computed.items() if reasons[name] is None)]
    return [f"compiling: {', '.join(compiled)}; the first steps take longer, minutes for large networks",
            *(f"not compiled: {computed[name]}, as {reason}" for name, reason in reasons.items() if reason)]


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


def _reasons(module: AdversarialModule) -> dict[str, str | None]:
    """Returns for each penalty of a game why it is not compiled; None: it is."""
    networks = networks_of(module.discriminator, "discriminator")
    return {name: trick.reason_against_compiling(module.tricks, networks) for name, trick in _penalties(module).items()}


def _tell(sentence: str) -> None:
    if is_first():
        tqdm.write(sentence, file=sys.stderr)
