"""Truncates what sample.py draws from, and says in which of its two meanings."""

from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.sampling.truncation import truncate


def truncated(generator: SamplingGenerator, value: float | None) -> SamplingGenerator:
    """Returns the generator as truncation= wants it, and prints what that means for this run; None changes nothing.
    Raises a RequestError where the run cannot be truncated so."""
    if value is None:
        return generator
    found = truncate(generator.generator, generator.latents, value)
    print(f"truncation={value:g}: {found.explanation}")
    return generator.with_parts(found.generator, found.latents)
