"""saddlepoint: train, compare and sample generative adversarial networks."""


def __getattr__(name: str):
    """`saddlepoint.load_generator(run)` without paying for torch in `import saddlepoint`."""
    if name == "load_generator":
        from saddlepoint.sampling.loading import load_generator
        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
