"""All callbacks as one, so that a hook nobody uses costs nothing: Lightning visits every callback at some ten hooks of
every step, which for a small GAN adds up to a tenth of the step."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytorch_lightning as pl

HOOKS = [name for name in vars(pl.Callback) if name == "setup" or name == "teardown" or name.startswith("on_")]


class CallbackGroup(pl.Callback):
    """Hands each hook on to the callbacks that override it, in their order."""

    def __init__(self, callbacks: Sequence[pl.Callback]):
        self.callbacks = list(callbacks)
        self.listeners = {hook: [getattr(callback, hook) for callback in callbacks if listens(callback, [hook])]
                          for hook in HOOKS}


def listens(callback: pl.Callback, hooks: Iterable[str]) -> bool:
    """Does the callback, or one of those it stands for, do anything at one of these hooks?"""
    if isinstance(callback, CallbackGroup):
        return any(callback.listeners[hook] for hook in hooks)
    return any(getattr(type(callback), hook) is not getattr(pl.Callback, hook) for hook in hooks)


def _handing_on(hook: str) -> Callable[..., None]:
    def hand_on(self: CallbackGroup, *arguments: Any, **named: Any) -> None:
        for listener in self.listeners[hook]:
            listener(*arguments, **named)
    hand_on.__name__ = hook
    return hand_on


for _hook in HOOKS:
    setattr(CallbackGroup, _hook, _handing_on(_hook))
