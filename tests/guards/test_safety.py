"""What must not stand in any source file: shells, code made of data, other people's addresses, this machine's paths."""

from __future__ import annotations

import ast
import re

from tests.guards import source

PRODUCT = source.python("studio_core", "studio_tui")
CODE = [*PRODUCT, *source.python("tests")]
CALLS = {
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
    "create_subprocess_shell", "eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "tempfile.mktemp",
}
MODULES = {"pickle", "marshal", "shelve", "dill", "commands"}
# Written apart, so that this file does not name them itself.
HOSTS = ["py" + "pi.org", "python" + "hosted", "npm" + "js", "crates" + ".io", "proxy.golang" + ".org", "ana" + "conda.org"]
# Where the project happens to be built says nothing to anybody else.
PLACES = re.compile("/" + r"(?:work|root)/(?:rooms|main|shared|deps|\.)")
SECRET = re.compile(r"(?:hf_|sk-proj-|ghp_|github_pat_)[A-Za-z0-9]{16,}|-----BEGIN [A-Z ]*PRIVATE KEY")


def test_nothing_goes_through_a_shell_or_makes_code_of_data() -> None:
    found = [
        f"{source.name(path)}:{node.lineno} {called}"
        for path in CODE
        for node, called in source.calls(path)
        if called in CALLS or any(word.arg == "shell" and not _false(word.value) for word in node.keywords)
    ]
    assert found == []


def _false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_nothing_reads_formats_that_run_code() -> None:
    found = [
        f"{source.name(path)}:{line} {module}"
        for path in CODE for line, module in source.imports(path) if module.split(".")[0] in MODULES
    ]
    assert found == []


def test_no_registry_no_path_of_a_machine_no_secret() -> None:
    found = []
    for path in source.every():
        text = path.read_text(encoding="utf-8", errors="replace")
        words = [host for host in HOSTS if host in text.lower()]
        found += [f"{source.name(path)}: {word}" for word in (*words, *PLACES.findall(text), *SECRET.findall(text))]
    assert found == []


def test_core_names_neither_a_terminal_toolkit_nor_the_app() -> None:
    found = [
        f"{source.name(path)}:{line} {module}"
        for path in source.python("studio_core")
        for line, module in source.imports(path) if module.split(".")[0] in {"textual", "rich", "studio_tui"}
    ]
    assert found == []


def test_widgets_do_not_reach_for_the_app() -> None:
    widgets = [path for path in source.python("studio_tui") if "widgets" in path.parts]
    found = [
        f"{source.name(path)}:{node.lineno}"
        for path in widgets
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self.app"
    ]
    assert found == []
