"""Every action of the app: its stable id, its words. Keys stand in `config/keymap.yaml`, under the same ids."""

from __future__ import annotations

from msgspec import Struct


class Action(Struct, frozen=True):
    """`id` is `context.name`; `run` is what Textual calls, by default the method `action_name`. `label` is for the footer.

    `changes`: it does more than look; in read-only mode there is no such action.
    `always`: its key works in text fields and dialogs too.
    """

    id: str
    label: str
    doc: str
    run: str = ""
    footer: bool = False
    changes: bool = False
    always: bool = False

    @property
    def context(self) -> str:
        return self.id.partition(".")[0]

    @property
    def call(self) -> str:
        return self.run or self.id.partition(".")[2]


APP = (
    Action("app.dashboard", "Dashboard", "GPUs, host and running models", "app.show('dashboard')"),
    Action("app.recipes", "Recipes", "the recipes; launch and stop", "app.show('recipes')"),
    Action("app.logs", "Logs", "logs of engines and daemons", "app.show('logs')"),
    Action("app.chat", "Chat", "talk to a model", "app.show('chat')"),
    Action("app.usage", "Usage", "requests and tokens, summed", "app.show('usage')"),
    Action("app.models", "Models", "the model files of this machine", "app.show('models')"),
    Action("app.mcp", "MCP", "servers of tools", "app.show('mcp')"),
    Action("app.bench", "Bench", "how fast models were", "app.show('bench')"),
    Action("app.system", "System", "daemons, settings, notices", "app.show('system')"),
    Action(
        "app.switch", "Switch", "another model serves next: a few letters, Enter", "app.switch_model", footer=True, changes=True
    ),
    Action("app.help", "Help", "what can be done here, and with which key", "app.help", footer=True),
    Action("app.manual", "Help", "the same from a text field or a dialog", "app.help", always=True),
    Action("app.palette", "Palette", "every action, found by its name", "app.command_palette", footer=True),
    Action("app.theme", "Theme", "next theme: dark, light, high contrast", "app.switch_theme"),
    Action("app.maximise", "Maximise", "the focused panel over the whole screen, and back", "app.maximise"),
    Action("app.jump", "Jump", "a letter over each thing that can take the focus; press it to be there", "app.jump", always=True),
    Action("app.mouse", "Mouse", "leave the mouse to the terminal, so that it selects text, or take it back", "app.mouse"),
    Action("app.notices", "Notices", "what was told since the app was opened", "app.notices"),
    Action("app.record", "Command log", "what was asked of Studio, and the commands of engines that it started", "app.record"),
    Action("app.servers", "Servers", "drive this machine's Studio or another", "app.servers"),
    Action("app.leave", "Quit", "back, and from a top screen leave; engines go on", "app.leave", footer=True),
    Action("app.quit", "Quit", "leave from anywhere; engines go on", "app.quit", always=True),
)

DASHBOARD = (
    Action("dashboard.span", "History", "how far back the graphs go", footer=True),
    Action("dashboard.log", "Log", "show the log of the selected model", footer=True),
)

RECIPES = (
    Action("recipes.launch", "Launch", "launch the selected recipe, or those that are marked", footer=True, changes=True),
    Action("recipes.stop", "Stop", "stop its model or cancel its launch; asks", footer=True, changes=True),
    Action("recipes.fix", "Fix", "make the change that its failure calls for; shows it and asks", changes=True),
    Action("recipes.logs", "Log", "show the log of its newest start", footer=True),
    Action("recipes.edit", "Edit", "change it in a form; checked as you write", footer=True, changes=True),
    Action("recipes.text", "YAML", "change it as YAML in $EDITOR; shows the difference and asks", changes=True),
    Action("recipes.new", "New", "make a recipe", changes=True),
    Action("recipes.copy", "Copy", "make a recipe like this one", changes=True),
    Action("recipes.more", "More", "what else it can do: sleep, wake, adapters, force, release", footer=True, changes=True),
    Action("recipes.filter", "Filter", "show only recipes with these words", footer=True),
    Action("recipes.sort", "Sort", "sort by the next column"),
    Action("recipes.reverse", "Reverse", "sort the other way round"),
    Action("recipes.mark", "Mark", "mark it; launch, stop, pin and delete act on what is marked"),
    Action("recipes.back", "Back", "take away the filter, then the marks"),
    Action("recipes.command", "Command", "the exact command and environment of a launch, and where each comes from"),
    Action("recipes.curl", "curl", "copy a line for curl that asks its model something; a variable stands for the key"),
    Action("recipes.pin", "Pin", "keep it above, and from being sent away by requests for others", changes=True),
    Action("recipes.delete", "Delete", "delete the recipe; asks", changes=True),
    Action("recipes.paste", "Import", "make a recipe of a pasted command or another tool's file", changes=True),
)

LOGS = (
    Action("logs.open", "Open", "open the selected log", footer=True),
    Action("logs.back", "List", "close the search, the filter or the log"),
    Action("logs.find", "Find", "search; n and N go to the next and previous match", footer=True),
    Action("logs.filter", "Filter", "show only lines with a text, of the whole log", footer=True),
    Action("logs.next_match", "Next", "next match", "step(1)"),
    Action("logs.previous_match", "Previous", "previous match", "step(-1)"),
    Action("logs.follow", "Follow", "go to the end and follow", footer=True),
    Action("logs.levels", "Level", "all lines; from info on; from warnings on; errors only", footer=True),
    Action("logs.wrap", "Wrap", "wrap long lines"),
    Action("logs.times", "Times", "show or hide the times that lines begin with"),
    Action("logs.regex", "Pattern", "search and filter by a text or by a pattern"),
    Action("logs.case", "Case", "search and filter in any case or as written"),
    Action("logs.copy", "Copy", "copy the match that is shown, else the lines on the screen", footer=True),
    Action("logs.save", "Save", "write the lines that pass the filter to a file"),
    Action("logs.file", "File", "open any file of this machine"),
    Action("logs.previous", "Previous log", "previous log of the list", "turn(-1)"),
    Action("logs.next", "Next log", "next log of the list", "turn(1)"),
)

CHAT = (
    Action("chat.new", "New", "begin a chat", footer=True, changes=True),
    Action("chat.write", "Write", "go to the input", changes=True),
    Action("chat.stop", "Stop", "stop the answer, or leave the input", footer=True, changes=True),
    Action("chat.copy", "Copy", "copy the newest answer on the screen", footer=True),
    Action("chat.copy_code", "Copy code", "copy its last block of code; again, the one before"),
    Action("chat.thoughts", "Thoughts", "show or fold what a model said to itself"),
    Action("chat.page_up", "Page up", "one page of messages up, also while one writes", always=True),
    Action("chat.page_down", "Page down", "one page of messages down, also while one writes", always=True),
    Action("chat.rename", "Rename", "give the chat another title", changes=True),
    Action("chat.delete", "Delete", "delete the chat; asks", changes=True),
    Action("chat.previous", "Previous chat", "open the chat above"),
    Action("chat.next", "Next chat", "open the chat below"),
)

USAGE = (
    Action("usage.cancel", "Cancel", "end the selected request that is under way; asks", changes=True),
    Action("usage.refresh", "Refresh", "read the sums again", footer=True),
)

SYSTEM = (
    Action("system.next", "Next part", "next part: services, settings, keys, doctor", footer=True),
    Action("system.previous", "Previous part", "previous part"),
    Action("system.edit", "Change", "change the selected setting", footer=True, changes=True),
    Action("system.make", "New key", "make a key with scopes", footer=True, changes=True),
    Action("system.remove", "Remove", "take the setting out of studio.yaml, or revoke the key; asks", footer=True, changes=True),
    Action("system.restart", "Restart", "start the controller anew; engines go on; asks", footer=True, changes=True),
    Action("system.refresh", "Ask again", "ask again, or examine this machine again"),
)

ROWS = (
    Action("table.up", "Up", "row above"),
    Action("table.down", "Down", "row below"),
    Action("table.first", "First", "first row"),
    Action("table.last", "Last", "last row"),
    Action("table.page_up", "Page up", "one page up"),
    Action("table.page_down", "Page down", "one page down"),
)

VIEW = (
    Action("view.up", "Up", "one line up"),
    Action("view.down", "Down", "one line down"),
    Action("view.left", "Left", "to the left"),
    Action("view.right", "Right", "to the right"),
    Action("view.first", "Beginning", "to the beginning"),
    Action("view.last", "End", "to the end; follows again"),
    Action("view.page_up", "Page up", "one page up"),
    Action("view.page_down", "Page down", "one page down"),
)

HELP = (
    Action("help.close", "Close", "close this page"),
)

PASTE = (
    Action("paste.close", "Leave", "leave without storing"),
)

MODELS = (
    Action("models.new", "Recipe", "make a recipe of it", footer=True, changes=True),
    Action("models.recipe", "Go to", "go to the recipe that uses it", footer=True),
    Action("models.refresh", "Look again", "look for files again", footer=True),
)

BENCH = (
    Action("bench.refresh", "Look again", "read the figures again", footer=True),
)

MENU = (
    Action("menu.choose", "Do it", "do what is selected"),
    Action("menu.close", "Leave", "do nothing"),
)

RECIPE = (
    Action("recipe.edit", "Change", "change the field; a yes, a no or a choice goes to the next"),
    Action("recipe.clear", "Default", "back to its default"),
    Action("recipe.save", "Store", "store the recipe on the version that was read"),
    Action("recipe.close", "Leave", "take the value, or leave; asks when something is not stored"),
)

UNSAVED = (
    Action("unsaved.save", "Store", "store the changes"),
    Action("unsaved.discard", "Discard", "throw the changes away"),
    Action("unsaved.stay", "Stay", "go on with the form"),
)

COMMAND = (
    Action("command.copy", "Copy", "copy the command as a line for a shell"),
    Action("command.close", "Close", "close this page"),
)

NAME = (
    Action("name.close", "Leave", "leave it"),
)

SWITCHER = (
    Action("switcher.up", "Up", "model above"),
    Action("switcher.down", "Down", "model below"),
    Action("switcher.page_up", "Page up", "one page up"),
    Action("switcher.page_down", "Page down", "one page down"),
    Action("switcher.close", "Leave", "leave; nothing changes"),
)

RECORD = (
    Action("record.copy", "Copy", "copy it for a shell: a request as a curl line without its key, a start as its command"),
    Action("record.close", "Close", "close this page"),
)

JUMP = (
    Action("jump.close", "Leave", "leave the focus where it is; any other key does, too"),
)

NOTICES = (
    Action("notices.close", "Close", "close this page"),
)

SERVERS = (
    Action("servers.choose", "Drive", "drive the selected server", footer=True),
    Action("servers.close", "Close", "go on with the one that is driven"),
)

FORM = (
    Action("form.store", "Store", "store what the fields hold"),
    Action("form.close", "Leave", "leave without storing"),
)

SECRET = (
    Action("secret.copy", "Copy", "copy the key"),
    Action("secret.close", "Close", "close; it is not shown again"),
)

DIALOG = (
    Action("dialog.accept", "Yes", "do it"),
    Action("dialog.refuse", "No", "leave it"),
)

# One block a context, in the order of the help page.
TABLE: tuple[Action, ...] = (
    *APP,
    *DASHBOARD,
    *RECIPES,
    *LOGS,
    *CHAT,
    *SYSTEM,
    *USAGE,
    *ROWS,
    *VIEW,
    *HELP,
    *PASTE,
    *MODELS,
    *BENCH,
    *MENU,
    *RECIPE,
    *UNSAVED,
    *COMMAND,
    *SWITCHER,
    *RECORD,
    *JUMP,
    *NOTICES,
    *SERVERS,
    *NAME,
    *FORM,
    *SECRET,
    *DIALOG,
)

# What the help page calls a context.
TITLES = {
    "app": "Everywhere",
    "table": "In a table",
    "view": "In a text",
    "record": "Command log",
    "paste": "Paste a command",
    "dialog": "In a question",
}


def of(context: str) -> tuple[Action, ...]:
    """The actions of one context, in the table's order."""
    return tuple(action for action in TABLE if action.context == context)


def title(context: str) -> str:
    """A context for the help page."""
    return TITLES.get(context, context.capitalize())
