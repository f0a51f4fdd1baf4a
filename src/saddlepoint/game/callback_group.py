"""A callback that stands for all others, so that a hook which none of them overrides costs nothing.

Lightning calls every callback at some ten hooks of every step, which for a small GAN takes a tenth of the step.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytorch_lightning as pl

HOOKS = [name for name in vars(pl.Callback) if name == "setup" or name == "teardown" or name.startswith("on_")]


class CallbackGroup(pl.Callback):
    """A callback that calls, at each hook, the callbacks that override it, in the order given."""

    def __init__(self, callbacks: Sequence[pl.Callback]):
        self.callbacks = list(callbacks)
        self.listeners = {hook: [getattr(callback, hook) for callback in callbacks if listens(callback, [hook])]
                          for hook in HOOKS}


def listens(callback: pl.Callback, hooks: Iterable[str]) -> bool:
    """Returns whether the callback, or one of those in a CallbackGroup, overrides one of these hooks."""
    if isinstance(callback, CallbackGroup):
        return any(callback.listeners[hook] for hook in hooks)
    return any(getattr(type(callback), hook) is not getattr(pl.Callback, hook) for hook in hooks)


def _hook_of_group(hook: str) -> Callable[..., None]:
    def call_listeners(self: CallbackGroup, *arguments: Any, **keywords: Any) -> None:
        for listener in self.listeners[hook]:
            listener(*arguments, **keywords)
    call_listeners.__name__ = hook
    return call_listeners


for _hook in HOOKS:
    setattr(CallbackGroup, _hook, _hook_of_group(_hook))
