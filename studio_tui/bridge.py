"""The only place that asks Studio for something. Every call runs in a thread of its own and answers with a message.

The threads are daemons: one that waits for an answer never keeps the app from ending. None touches a widget.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from textual.message import Message

from studio_core.errors import Conflict, StudioError
from studio_tui import message, wanted
from studio_tui.boundary import safe, safe_error
from studio_tui.record import Entry, Record, Started

if TYPE_CHECKING:
    from studio_core import wire
    from studio_core.client import Client
    from studio_core.settings import Settings
    from studio_tui.answer import Answer
    from studio_tui.listener import Figures, Listener
    from studio_tui.stream import Tail


class Target(Protocol):
    """Who gets an answer: the app or a screen."""

    def post_message(self, message: Message) -> bool: ...


def displaces(plan: wire.LaunchPlan) -> bool:
    """Whether somebody else has to leave for a launch, or has its own ended."""
    return any(one.recipe_id != plan.recipe_id for one in plan.leaving) or bool(set(plan.supersedes) - {plan.recipe_id})

# So many signs of life of an answer come in the time after which Studio counts as silent.
PINGS = 3


class Bridge:
    """`start(app)` begins to listen; the app gets connection, status, GPUs, recipes, and every failure."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.record = Record()
        self._app: Target | None = None
        self._listener: Listener | None = None
        self._figures: Figures | None = None
        self._watches = False

    def start(self, app: Target, pause_s: float = 0.0) -> None:
        """Answers come from now on; in `pause_s` seconds it begins to listen, whose imports would keep the first keys waiting."""
        self._app = app
        for run in (self._listen, *((self._watch,) if self._watches else ())):
            timer = threading.Timer(pause_s, run)
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """Nothing comes from here any more, whatever is still under way."""
        self._app = None
        if self._listener is not None:
            self._listener.stop()
        self.watch(False)

    def watch(self, watches: bool) -> None:
        """Whether figures of every second are wanted: somebody looks at them, or nobody does any more."""
        if watches == self._watches:
            return
        self._watches = watches
        if watches and self._app is not None:
            self._thread(self._watch, "figures")
        elif self._figures is not None:
            self._figures.stop()
            self._figures = None

    def _watch(self) -> None:
        from studio_tui.listener import Figures

        figures = Figures(self.settings, self._post, self.record.heard)
        if self._watches and self._figures is None:
            self._figures = figures
            if not self._watches:
                figures.stop()
            figures.run()

    def _listen(self) -> None:
        """The client and all that it needs are imported here, after the first frame was drawn."""
        from studio_tui import sweep
        from studio_tui.listener import Listener

        sweep.frugal()
        self._listener = Listener(self.settings, self._post, self.record.heard)
        if self._app is None:
            # It was stopped while that was imported: nobody is left who could start a controller for it.
            self._listener.stop()
        self._listener.run()

    # What runs.

    def look(self, span: float, count: int) -> None:
        """Somebody looks: sample at full rate for a while, and tell how it was in the last `span` seconds.

        The samples of now come as events, in their order.
        """
        def job(client: Client) -> Message:
            client.gpus()
            return message.SamplesCame(client.samples(span, count))

        self.ask(self._app, job, quiet=True)

    def launch(self, recipe_id: str, name: str, sure: bool = False, force: bool = False) -> None:
        """Start it. Whoever has to leave for it is told first, unless the person is `sure`."""
        def job(client: Client) -> Message:
            plan = None if sure else client.plan(recipe_id)
            if plan is not None and displaces(plan):
                return wanted.Displaces(name, plan)
            client.launch(recipe_id, force=force)
            serves = plan is not None and plan.outcome == "serves"
            return message.Said(f"{name} runs already" if serves else f"{name}: launch asked for")

        self.ask(self._app, job)

    def plans(self, target: Target) -> None:
        self.ask(target, lambda client: message.PlansCame(tuple(client.plans())))

    def stop_model(self, recipe_id: str, instance_id: str | None) -> None:
        def job(client: Client) -> None:
            if instance_id is None:
                client.cancel(recipe_id)
            else:
                client.evict(instance_id)

        self.ask(self._app, job)

    def fix(self, recipe_id: str, title: str) -> None:
        """Make the change of that title. What is stored comes from Studio anew: what was shown had been made safe to show."""
        def job(client: Client) -> Message:
            fix = client.remedy(recipe_id)
            if safe(fix.title) != title:
                raise Conflict(f"{recipe_id} has failed in another way since", fix.title, "look again")
            stored = client.fix_recipe(recipe_id)
            return message.Said(f"{stored.id} stored, version {stored.version}: launch it again")

        self.ask(self._app, job)

    def read_recipes(self, target: Target, text: str) -> None:
        """A pasted text as recipes. That it is none is no failure: somebody is still writing."""
        def job(client: Client) -> Message:
            try:
                return message.RecipesRead(text, client.read_recipes(text))
            except StudioError as error:
                return message.RecipesRead(text, None, error.line())

        self.ask(target, job)

    def store_recipes(self, target: Target, text: str) -> None:
        """Store a pasted text's recipes, none over another. They are read anew: what was shown had been made safe to show."""
        def job(client: Client) -> Message:
            try:
                recipes = [one.recipe for one in client.read_recipes(text).recipes]
                taken = {one.id for one in client.recipes()} & {str(one["id"]) for one in recipes}
                if taken:
                    raise Conflict(f"there is {', '.join(sorted(taken))} already", "nothing was stored",
                                   "give the model another name, or remove the stored recipe: studio recipes remove NAME")
                names = [client.put_recipe(one).id for one in recipes]
            except StudioError:
                target.post_message(message.RecipesStored(False))
                raise
            self._post(message.Said(f"{', '.join(map(safe, names))} stored"))
            return message.RecipesStored(True)

        self.ask(target, job)

    def check_recipe(self, target: Target, data: dict[str, Any]) -> None:
        """What is wrong with fields that are not stored. They go back as they came."""
        def job(client: Client) -> None:
            target.post_message(message.RecipeChecked(data, safe(client.check_fields(data).problems)))

        self.ask(target, job, quiet=True)

    def store_recipe(self, target: Target, data: dict[str, Any], version: int | None) -> None:
        def job(client: Client) -> Message:
            from studio_tui import draft

            try:
                done = draft.store(client, data, version)
            except StudioError:
                target.post_message(message.RecipeStored(False))
                raise
            if isinstance(done, draft.Clash):
                return message.RecipeStored(False, done.version, done.lines)
            self._post(message.Said(f"{safe(done.id)} stored, version {done.version}"))
            return message.RecipeStored(True)

        self.ask(target, job)

    # Logs.

    def logs(self, target: Target) -> None:
        self.ask(target, lambda client: message.LogsCame(tuple(client.logs())))

    def log_path(self, log_id: str) -> str | None:
        """Where a log lies on this machine; None where it does not, or Studio is elsewhere."""
        from studio_core.logs.place import find

        return None if self.settings.url else find(self.settings.state_dir, log_id)

    def tail(self, target: Target, log_id: str) -> Tail:
        """A log that lies elsewhere. The target hears when its end is here."""
        from studio_tui.stream import Tail

        def began(tail: Tail) -> None:
            target.post_message(message.TailBegan(tail))

        tail = Tail(self._client, log_id, began)
        self._thread(tail.run, "tail")
        return tail

    def older(self, tail: Tail, everything: bool = False) -> None:
        """More of its beginning."""
        def job(_: Client) -> None:
            tail.older(everything)

        self.ask(None, job, quiet=True)

    # Chats.

    def chats(self, target: Target) -> None:
        self.ask(target, lambda client: message.ChatsCame(tuple(client.chats())))

    def chat(self, target: Target, chat_id: str) -> None:
        self.ask(target, lambda client: message.ChatCame(client.chat(chat_id)))

    def answer(self, chat_id: str | None, text: str, model: str) -> Answer:
        """Ask a model in a chat, or in a new one."""
        from studio_tui.answer import Answer

        answer = Answer(self._client, chat_id, text, model, self.settings.silence_s / PINGS)
        self._thread(answer.run, "answer")
        return answer

    def stop_answer(self, answer: Answer) -> None:
        """What was written is kept; that it could not be stopped is told."""
        answer.stopping = time.monotonic()
        self.ask(None, answer.stop)

    # Sums and settings.

    def usage(self, target: Target) -> None:
        self.ask(target, lambda client: message.UsageCame(client.usage()))

    def flights(self, target: Target) -> None:
        """Asked again and again, so that a failure is the next one's to tell."""
        self.ask(target, lambda client: message.FlightsCame(client.requests()), quiet=True)

    def models(self, target: Target) -> None:
        self.ask(target, lambda client: message.ModelsCame(client.models()))

    def peaks(self, target: Target) -> None:
        self.ask(target, lambda client: message.PeaksCame(tuple(client.peaks())))

    # What was asked and started.

    def saw(self, status: wire.Status) -> None:
        """Who was started since is written down with its command."""
        for one in self.record.started(status.instances, time.time()):
            self.ask(None, partial(self._command, one), quiet=True)

    @staticmethod
    def _command(one: Started, client: Client) -> None:
        one.argv = tuple(safe(client.command(one.instance_id).argv))

    def spelled(self, one: Entry) -> str:
        """An entry of the record as a line for a shell."""
        return shlex.join(one.what.argv) or one.what.instance_id if isinstance(one.what, Started) else self._client().curl(one.what)

    # Threads.

    def _client(self) -> Client:
        from studio_core import daemon

        client = daemon.client(self.settings)
        client.heard = self.record.heard
        return client

    def ask(self, target: Target | None, job: Callable[[Client], Message | None], quiet: bool = False) -> None:
        """Run a job; its message goes to the target, a failure to the app. `quiet`: the next one will tell."""
        def run() -> None:
            try:
                answer = job(self._client())
            except StudioError as error:
                if not quiet:
                    self._post(message.Failed(safe_error(error)))
                return
            if answer is not None and target is not None and self._app is not None:
                for name, value in vars(answer).items():
                    if not name.startswith("_"):
                        setattr(answer, name, safe(value))
                target.post_message(answer)

        self._thread(run, "call")

    def _post(self, news: Message) -> None:
        if self._app is not None:
            self._app.post_message(news)

    @staticmethod
    def _thread(run: Callable[[], None], name: str) -> None:
        threading.Thread(target=run, name=name, daemon=True).start()
