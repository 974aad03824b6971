"""Talk to a model. Studio keeps the chat and asks the model itself: leaving in the middle of an answer loses nothing."""

from __future__ import annotations

import time
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from studio_core import wire
from studio_core.errors import StudioError
from studio_core.text import line
from studio_tui import prose, status, unit
from studio_tui.answer import Answer
from studio_tui.keymap import bindings
from studio_tui.message import ChatCame, ChatGone, ChatRenamed, ChatsCame, Failed, Said
from studio_tui.pulse import SECOND_S, TICK_S
from studio_tui.screens.place import STYLES, Place
from studio_tui.view import View
from studio_tui.wanted import Copy, DeleteChat, RenameChat
from studio_tui.widgets.message_list import Item, MessageList, note
from studio_tui.widgets.panel import Panel
from studio_tui.widgets.prompt import Prompt
from studio_tui.widgets.table import Cell, Column, Row, Table

COLUMNS = (Column("CHAT", 14, flex=1), Column("", 3, right=True))
EMPTY = "write below; an answer goes on when you leave"


class Chat(Place):
    CSS_PATH = STYLES / "chat.tcss"
    BINDINGS = bindings("chat")

    def content(self) -> ComposeResult:
        self._table = Table(COLUMNS, "no chat yet", ident="chats")
        self._messages = MessageList("messages")
        self._prompt = Prompt("prompt")
        self._chat: wire.ChatSession | None = None
        self._answer: Answer | None = None
        self._item: Item | None = None
        self._drafts: dict[str, str] = {}
        self._block = 0
        # The chat that was open when the app was left, until it is open again.
        self._left = ""
        self._spoken = Panel("New chat", self._messages, ident="spoken")
        self._asked = Panel("", self._prompt, ident="asked")
        with Container(id="split"):
            yield Panel("Chats", self._table, ident="list")
            with Vertical(id="talk"):
                yield self._spoken
                yield self._asked

    def on_mount(self) -> None:
        self._asked.display = not self.read_only
        self._empty()

    def read(self) -> None:
        self.bridge.chats(self)

    def on_unmount(self) -> None:
        if self._answer is not None:
            self._answer.close()

    def show(self, view: View) -> None:
        model = self._model
        self._asked.title(f"to {model}" if model else "nothing runs")
        self._asked.note("" if model else "launch a recipe first: 2, Enter")

    @property
    def _model(self) -> str:
        """The name to ask: of what serves now, else of the chat's own model, which then starts."""
        serving = self.view.serving()
        if serving is not None:
            return next(iter(serving.served_names), serving.recipe_id)
        return (self._chat.model or "") if self._chat else ""

    # The list.

    def on_chats_came(self, news: ChatsCame) -> None:
        self._table.fill([row(one) for one in news.chats])
        if self._chat is not None:
            self._table.select(self._chat.id)
        elif self._left and self._left in {one.id for one in news.chats}:
            self.bridge.chat(self, self._left)
        elif self._left:
            # It is gone; what was begun in it is not.
            self._left = ""
            self._prompt.text = "\n".join(filter(None, (self._drafts.pop("", ""), self._prompt.text)))

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        if self._answer is None and event.key != (self._chat.id if self._chat else "") and self._table.has_focus:
            self.bridge.chat(self, event.key)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.bridge.chat(self, event.key)

    def on_chat_came(self, news: ChatCame) -> None:
        if self._answer is not None:
            return
        self._change(news.chat.session)
        self._table.select(news.chat.session.id)
        self._messages.load(news.chat.messages, EMPTY)
        self._title()

    def _change(self, chat: wire.ChatSession | None) -> None:
        """Another chat: what was begun to be written in this one waits in it."""
        before, after = self._chat.id if self._chat else self._left, chat.id if chat else ""
        self._chat, self._block, self._left = chat, 0, ""
        if before != after:
            self._drafts[before] = self._prompt.text
            self._prompt.text = self._drafts.pop(after, "")
            self._prompt.move_cursor(self._prompt.document.end)
        self._title()

    def _title(self) -> None:
        self._spoken.title(self._chat.title if self._chat else "New chat")
        count = len(self._messages.items)
        last = self._messages.items[-1].note if count else ""
        scrolled = "" if self._messages.follow else "scrolled up, end returns"
        facts = (last, f"{unit.count(count)} messages" if count else "", scrolled)
        self._spoken.note(" \u00b7 ".join(filter(None, facts)))

    def on_reel_changed(self, event: MessageList.Changed) -> None:
        event.stop()
        self._title()

    def action_page_up(self) -> None:
        self._paged.action_page_up()

    def action_page_down(self) -> None:
        self._paged.action_page_down()

    @property
    def _paged(self) -> Table | MessageList:
        """The prompt has no pages of its own: from there one reads back."""
        return self._table if self._table.has_focus else self._messages

    def action_next(self) -> None:
        self._go(1)

    def action_previous(self) -> None:
        self._go(-1)

    def _go(self, step: int) -> None:
        if self._waits():
            (self._table.action_down if step > 0 else self._table.action_up)()
            if self._table.key:
                self.bridge.chat(self, self._table.key)

    def action_new(self) -> None:
        if self._waits():
            self._begin()

    def _waits(self) -> bool:
        """Whether no answer is under way; one that is, is not left by accident."""
        if self._answer is not None:
            self.post_message(Said("the model is still answering; escape stops it"))
        return self._answer is None

    def _begin(self) -> None:
        self._change(None)
        self._empty()

    def _empty(self) -> None:
        self._messages.load((), EMPTY)
        self._title()
        self.set_focus(self._messages if self.read_only else self._prompt)

    def action_rename(self) -> None:
        if (chat := self._opened()) is not None:
            self.post_message(RenameChat(self, chat))

    def action_delete(self) -> None:
        if (chat := self._opened()) is not None and self._waits():
            self.post_message(DeleteChat(self, chat))

    def _opened(self) -> wire.ChatSession | None:
        if self._chat is None:
            self.post_message(Said("no chat is open: [ and ] open one"))
        return self._chat

    def on_chat_renamed(self, news: ChatRenamed) -> None:
        if self._chat is not None and self._chat.id == news.chat_id:
            self._chat.title = news.title
            self._title()
        self.bridge.chats(self)

    def on_chat_gone(self, news: ChatGone) -> None:
        """A draft in it goes with it."""
        if self._chat is not None and self._chat.id == news.chat_id:
            self._prompt.clear()
            self._begin()
            self.set_focus(self._messages)
        self._drafts.pop(news.chat_id, None)
        self.bridge.chats(self)

    def action_write(self) -> None:
        self.set_focus(self._prompt)

    # What is remembered: what was begun to be written, in each chat.

    def extra(self) -> dict[str, Any]:
        chat = self._chat.id if self._chat else self._left
        drafts = {name: text for name, text in self._drafts.items() if text}
        return {"chat": chat, "drafts": drafts, "thoughts": self._messages.thoughts}

    def recalled(self, kept: dict[str, Any]) -> None:
        drafts = kept.get("drafts")
        if isinstance(drafts, dict):
            found = {name: text for name, text in drafts.items() if isinstance(name, str) and isinstance(text, str)}
            self._drafts = {**found, **self._drafts}
        self._messages.thoughts = kept.get("thoughts") is True
        self._left = left if isinstance(left := kept.get("chat"), str) else ""

    # One turn.

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        event.stop()
        model = self._model
        if not model:
            self.post_message(Failed(StudioError("no model runs", "", "launch a recipe first: press escape, 2 and Enter")))
        elif self._waits():
            self._prompt.clear()
            self._block, self._left = 0, ""
            self._messages.add(Item("you", event.text, person=True))
            self._item = self._messages.add(Item(line(model), "", "waiting", growing=True))
            self._answer = self.bridge.answer(self._chat.id if self._chat else None, event.text, model)
            self._prompt.wait(True)
            self._title()

    @property
    def pace(self) -> float:
        return SECOND_S if self._answer is None else TICK_S

    async def tick(self) -> None:
        answer, item = self._answer, self._item
        if answer is None or item is None:
            return
        over = answer.over
        text, thought = answer.take(), answer.take_thought()
        item.text += text
        item.thought += thought
        doing = "answering" if item.text else "thinking" if item.thought else self._coming(answer.model)
        told = answer.told(doing, self.bridge.settings.silence_s)
        if text or thought or told != item.note:
            item.note = told
            self._messages.changed(item)
            self._title()
        if over:
            self._over(answer, item)

    def _coming(self, model: str) -> str:
        """What a model that is asked for does before it can answer."""
        for life in self.view.lives():
            if life.coming and model in (life.recipe_id, *(life.instance.served_names if life.instance else ())):
                percent = life.progress.percent
                return life.state if percent is None else f"{life.state} {percent:.0f} %"
        return "waiting"

    def _over(self, answer: Answer, item: Item) -> None:
        self._answer = self._item = None
        self._prompt.wait(False)
        spent = max(0.001, time.monotonic() - answer.began)
        tokens = answer.usage.get("completion_tokens")
        ended = "stopped" if answer.stopping else "complete"
        state = answer.stored.state if answer.stored else ended if answer.problem is None else "interrupted"
        item.note = note(state, tokens, tokens / spent if tokens else None)
        item.growing = False
        if answer.stored is not None and answer.stored.content:
            item.text = answer.stored.content
        if answer.stored is not None and answer.stored.reasoning:
            item.thought = answer.stored.reasoning
        if answer.problem is not None:
            item.problem = answer.problem.line()
        self._messages.changed(item)
        if not answer.accepted:
            self._give_back(answer)
        if self._chat is None and answer.chat_id is not None:
            self._chat = wire.ChatSession(id=answer.chat_id, title=" ".join(answer.text.split())[:60], model=answer.model)
        self._title()
        self.bridge.chats(self)

    def _give_back(self, answer: Answer) -> None:
        """What nobody has taken is not lost: it stands in the input again."""
        if not self._prompt.text:
            self._prompt.text = answer.text
            self._prompt.move_cursor(self._prompt.document.end)
            self.post_message(Said("not sent: your text is in the input again"))

    # Copying.

    def action_copy(self) -> None:
        """The newest answer on the screen, as the model wrote it."""
        answer = self._messages.answer
        if answer is None:
            self.post_message(Said("no answer is on the screen"))
        else:
            self.post_message(Copy(answer.text, "the answer"))

    def action_copy_code(self) -> None:
        """Its last block of code; pressed again, the one before."""
        answer = self._messages.answer
        blocks = prose.code_blocks(answer.text) if answer is not None else []
        if not blocks:
            self.post_message(Said("no code is in the answer on the screen"))
            return
        at = len(blocks) - 1 - self._block % len(blocks)
        self._block += 1
        self.post_message(Copy(blocks[at], f"code block {at + 1} of {len(blocks)}"))

    def action_thoughts(self) -> None:
        self._messages.toggle_thoughts()
        if not any(one.thought for one in self._messages.items):
            shown = "are shown" if self._messages.thoughts else "are folded"
            self.post_message(Said(f"thoughts {shown}; nobody has thought in this chat yet"))

    def action_stop(self) -> None:
        """Stop the answer, or leave one that Studio does not stop; without one go from the input to the messages."""
        answer, item = self._answer, self._item
        if answer is None or item is None:
            self.set_focus(self._messages)
        elif not answer.stopping:
            self.bridge.stop_answer(answer)
        elif answer.stuck:
            answer.leave()
            self._over(answer, item)


def row(one: wire.ChatSession) -> Row:
    return Row(one.id, (Cell(line(one.title)), Cell(str(one.message_count or ""), status.QUIET)))
