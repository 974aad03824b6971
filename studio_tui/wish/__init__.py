"""What becomes of a wish: the module that its `home` names has a function of the wish's name. Imported at the first wish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING

from studio_tui.wanted import Wish

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


def of(wish: Wish) -> Callable[[StudioApp, Wish], Awaitable[None] | None]:
    """`OpenLog` of home `log` is fulfilled by `studio_tui/wish/log.py:open_log`."""
    found: Callable[[StudioApp, Wish], Awaitable[None] | None] = getattr(
        import_module(f"studio_tui.wish.{wish.home}"), wish.handler_name.removeprefix("on_")
    )
    return found
