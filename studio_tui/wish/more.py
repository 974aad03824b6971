"""What else can be done with a model: a menu of what its engine and its state allow, and each of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from studio_core.text import line
from studio_tui import message, wanted

if TYPE_CHECKING:
    from studio_core import wire
    from studio_core.client import Client
    from studio_tui.app import StudioApp

SERVING = frozenset({"ready"})
ALIVE = frozenset({"starting", "downloading", "loading", "ready", "sleeping", "draining"})
DEAD = frozenset({"failed", "stuck"})


class Choice(Struct, frozen=True):
    """In which states of an instance it is there, and which action its engine must have; `ask` is the question, empty for none."""

    key: str
    label: str
    doc: str
    states: frozenset[str]
    needs: str = ""
    ask: str = ""


CHOICES = (
    Choice("sleep 1", "Sleep", "gives its memory back, keeps the weights in the machine's memory", SERVING, "sleep 1",
           "Requests in flight are let end first; the next request wakes it."),
    Choice("sleep 2", "Sleep deeply", "gives its memory back, reads the weights from disk when it wakes", SERVING, "sleep 2",
           "Requests in flight are let end first; the next request wakes it."),
    Choice("wake", "Wake", "who has to leave for it leaves first", frozenset({"sleeping"})),
    Choice("load adapter", "Load adapter", "a LoRA adapter by name and folder", SERVING, "load adapter"),
    Choice("unload adapter", "Unload adapter", "one that was loaded so", SERVING, "unload adapter"),
    Choice("force stop", "Stop at once", "cuts off requests in flight", ALIVE),
    Choice("release", "Release", "it holds no port and no memory any more, you know it", DEAD,
           ask="Say this only when you know that its port and its memory are free."),
)


def open_menu(app: StudioApp, wish: wanted.OpenMenu) -> None:
    from studio_tui.screens.menu import Menu

    name, one = line(wish.name), wish.instance
    shown = [each for each in CHOICES if one is not None and one.state in each.states and (each.needs or "") in ("", *one.actions)]
    rows = [(each.key, each.label, each.doc) for each in shown]
    if one is None or one.state in DEAD:
        rows.append(("insist", "Launch, insisting", "also when what is pinned has to leave; requests in flight are cut off"))

    def chosen(key: str | None) -> None:
        if key == "insist":
            text = f"Launch {name} whatever has to leave for it? Requests in flight there are cut off."
            app.ask(f"Launch {name}", text, "Launch", lambda: app.bridge.launch(wish.recipe_id, wish.name, sure=True, force=True))
        elif key is not None and one is not None:
            _begin(app, next(each for each in CHOICES if each.key == key), one, name)

    app.push_screen(Menu(name, rows), chosen)


def _begin(app: StudioApp, choice: Choice, one: wire.Instance, name: str) -> None:
    asked = BEGIN.get(choice.key)
    if asked is not None:
        asked(app, one, name)
    elif choice.ask:
        text = f"{choice.label}: {name}? {choice.ask}"
        app.ask(f"{choice.label}: {name}", text, choice.label, lambda: _do(app, choice.key, one, name))
    else:
        _do(app, choice.key, one, name)


def _do(app: StudioApp, key: str, one: wire.Instance, name: str) -> None:
    def job(client: Client) -> message.Said:
        return message.Said(f"{name} {DO[key](client, one)}")

    app.bridge.ask(app, job)


def _sleep(client: Client, one: wire.Instance, level: int) -> str:
    client.sleep(one.id, level)
    return "sleeps"


def _wake(client: Client, one: wire.Instance) -> str:
    client.wake(one.id)
    return "is awake"


def _release(client: Client, one: wire.Instance) -> str:
    client.release(one.id)
    return "holds nothing any more"


DO: dict[str, Callable[[Client, wire.Instance], str]] = {
    "sleep 1": lambda client, one: _sleep(client, one, 1), "sleep 2": lambda client, one: _sleep(client, one, 2),
    "wake": _wake, "release": _release,
}


def _force_stop(app: StudioApp, one: wire.Instance, name: str) -> None:
    from studio_tui.screens.named import Named

    def decided(typed: str | None) -> None:
        def job(client: Client) -> message.Said:
            client.evict(one.id, force=True)
            return message.Said(f"{name} is stopped")

        if typed is not None:
            app.bridge.ask(app, job)

    text = f"{one.running} requests in flight are cut off. To do it, type its name: {name}\n"
    app.push_screen(Named(f"Stop {name} at once", text, expected=name), decided)


def _load_adapter(app: StudioApp, one: wire.Instance, name: str) -> None:
    from studio_tui.screens.named import Named

    def decided(typed: str | None) -> None:
        adapter, _, path = (typed or "").partition("=")

        def job(client: Client) -> message.Said:
            client.load_adapter(one.id, adapter.strip(), path.strip())
            return message.Said(f"{adapter.strip()} is loaded: clients ask for it by this name")

        if typed:
            app.bridge.ask(app, job)

    app.push_screen(Named(f"Load an adapter into {name}", "Its name and its folder or hub id, as name=path\n"), decided)


def _unload_adapter(app: StudioApp, one: wire.Instance, name: str) -> None:
    app.bridge.ask(app, lambda client: wanted.AdaptersCame(one, name, tuple(client.adapters(one.id))))


def adapters_came(app: StudioApp, news: wanted.AdaptersCame) -> None:
    """Those that the recipe names stay as long as the engine."""
    from studio_tui.screens.menu import Menu

    loaded = [each for each in news.adapters if each.origin == "loaded"]
    if not loaded:
        app.say(f"no adapter of {news.name} was loaded while it ran")
        return

    def chosen(key: str | None) -> None:
        def job(client: Client) -> message.Said:
            client.unload_adapter(news.instance.id, key or "")
            return message.Said(f"{key} is unloaded")

        if key is not None:
            app.ask(f"Unload {line(key)}", f"Unload {line(key)}? Requests for it are then refused.", "Unload",
                    lambda: app.bridge.ask(app, job))

    app.push_screen(Menu(f"Unload an adapter of {news.name}", [(each.name, each.name, each.path) for each in loaded]), chosen)


# What asks for more than a yes.
BEGIN: dict[str, Callable[[StudioApp, wire.Instance, str], None]] = {
    "force stop": _force_stop, "load adapter": _load_adapter, "unload adapter": _unload_adapter,
}
