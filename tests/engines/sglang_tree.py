"""SGLang's flags, read from the syntax tree of its published wheel: nothing of it is imported or installed.

For machines on which its own parser does not import, and as a second witness beside it. A flag is a field
`name: A[type, "help"]` or `A[type, Arg(...)]` of a class in `arg_groups/fields`, or an `add_argument` of `ServerArgs`. What
syntax does not tell (a converter of the engine's own, choices that are computed) is None. Seen with 0.5.23 on 2026-11-28.
"""

from __future__ import annotations

import ast
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio_core.paths import cache_dir
from tests.engines import vllm_environment
from tests.engines.sglang_environment import VERSION

# A value that is computed.
UNTOLD = object()
# Where the names stand that `--tool-call-parser` and its like take beside `auto`.
PARSERS = {
    "--tool-call-parser": ("sglang.srt.function_call.parser_names", "TOOL_CALL_PARSER_NAMES"),
    "--reasoning-parser": ("sglang.srt.parser.reasoning_parser_names", "REASONING_PARSER_NAMES"),
}
ARGUMENTS, FIELDS = "sglang.srt.server_args", "sglang.srt.arg_groups.fields."
# What a value is, by the name of the annotation or of the converter.
SCALARS = {"bool": "bool", "int": "int", "float": "float", "str": "str"}
CONVERTERS = {"json.loads": "json", "human_readable_int": "int", "nullable_str": "str"}


@dataclass(frozen=True)
class Told:
    """One flag as the source has it."""

    name: str
    spellings: frozenset[str]
    kind: str | None = None
    item: str | None = None
    choices: frozenset[str] | None = None
    deprecated: bool | None = None
    default: Any = UNTOLD


def wheel() -> Path:
    """The published file, fetched once into the cache folder (40 MB). Raises StudioError: pip failed."""
    folder = cache_dir() / "engines" / f"sglang-wheel-{VERSION}"
    with vllm_environment.alone(folder):
        if not list(folder.glob("*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--no-input", "--no-deps", "--only-binary", ":all:"]
            # Which Python and which machine it is for does not matter to who only reads it.
            tags = ["--python-version", "3.11", "--platform", "manylinux_2_34_x86_64"]
            vllm_environment.run(f"SGLang's wheel {VERSION}", [
                *pip, *tags, "--progress-bar", "off", "--dest", str(folder), f"sglang=={VERSION}",
            ])
    return next(folder.glob("*.whl"))


@dataclass
class Source:
    """The modules of a wheel, as syntax trees."""

    archive: zipfile.ZipFile
    _trees: dict[str, ast.Module] = field(default_factory=dict)

    def tree(self, module: str) -> ast.Module:
        if module not in self._trees:
            self._trees[module] = ast.parse(self.archive.read(module.replace(".", "/") + ".py"))
        return self._trees[module]

    def modules(self, prefix: str) -> list[str]:
        found = (name.removesuffix(".py").replace("/", ".") for name in self.archive.namelist() if name.endswith(".py"))
        return sorted(name for name in found if name.startswith(prefix) and not name.endswith("__init__"))

    def values(self, node: ast.expr | None, module: str) -> list[Any] | None:
        """The members of a list, each literal or named, or of lists added up; None where something else is among them."""
        match node:
            case ast.List(elts) | ast.Tuple(elts):
                found = [self._member(one, module) for one in elts]
                return None if UNTOLD in found else found
            case ast.BinOp(left, ast.Add(), right):
                first, second = self.values(left, module), self.values(right, module)
                return None if first is None or second is None else first + second
            case ast.Name(name):
                constant = self._constant(name, module)
                return self.values(*constant) if constant is not None else None
        return None

    def _member(self, node: ast.expr, module: str) -> Any:
        if isinstance(node, ast.Name):
            node, _ = self._constant(node.id, module) or (node, "")
        return node.value if isinstance(node, ast.Constant) else UNTOLD

    def _constant(self, name: str, module: str) -> tuple[ast.expr, str] | None:
        """What a module's name is assigned, and the module in which that stands; imports are followed within the wheel."""
        for one in self.tree(module).body:
            if isinstance(one, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in one.targets):
                return one.value, module
            if isinstance(one, ast.ImportFrom) and any(alias.name == name for alias in one.names):
                return self._constant(name, one.module or "")
        return None


def flags(path: Path) -> dict[str, Told]:
    """Every flag of the wheel by its name."""
    with zipfile.ZipFile(path) as archive:
        source = Source(archive)
        found = [one for module in source.modules(FIELDS) for one in fields(source, module)]
        return {one.name: one for one in [*found, *calls(source)]}


def parsers(path: Path) -> dict[str, list[str]]:
    """The names that the wheel's parsers have, by the flag that takes them."""
    with zipfile.ZipFile(path) as archive:
        source = Source(archive)
        return {flag: sorted(source.values(ast.Name(name), module) or ()) for flag, (module, name) in PARSERS.items()}


def fields(source: Source, module: str) -> Iterator[Told]:
    """The annotated fields of a module's classes."""
    for node in ast.walk(source.tree(module)):
        match node:
            case ast.AnnAssign(ast.Name(name), ast.Subscript(ast.Name("A"), ast.Tuple([inner, *more])), value):
                given = next((keywords(one) for one in more if isinstance(one, ast.Call) and called(one) == "Arg"), {})
                if "no_cli" not in given:
                    yield replace(told(source, module, name, inner, given), default=literal(value))


def told(source: Source, module: str, name: str, inner: ast.expr, given: Mapping[str, ast.expr]) -> Told:
    flag = text(given.get("cli_name")) or "--" + name.replace("_", "-")
    names = {flag, *(source.values(given.get("aliases"), module) or ())}
    action, convert = ast.unparse(given["action"]) if "action" in given else "", given.get("type_parser")
    if action:
        off = {"--no-" + one.removeprefix("--") for one in names} if action.endswith("BooleanOptionalAction") else set()
        return Told(flag, frozenset(names | off), "bool" if off else None)
    kind, item, values = typed(inner)
    choices = source.values(given["choices"], module) if "choices" in given else values
    if convert is not None:
        kind, item = CONVERTERS.get(ast.unparse(convert)), None
    elif "nargs" in given and kind != "list":
        kind, item = None, None
    elif "choices" in given or values is not None:
        kind, item = ("list", "choice") if kind == "list" else ("choice", None)
    return Told(flag, frozenset(names), kind, item, None if choices is None else frozenset(map(str, choices)))


def typed(node: ast.expr) -> tuple[str | None, str | None, list[Any] | None]:
    """Kind, kind of a list's members, and the values of a Literal."""
    match node:
        case ast.Name(name):
            return SCALARS.get(name), None, None
        case ast.Subscript(ast.Name("Optional"), inner):
            return typed(inner)
        case ast.Subscript(ast.Name("List" | "list"), inner):
            return "list", typed(inner)[0], None
        case ast.Subscript(ast.Name("Literal"), inner):
            members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return "choice", None, [one.value for one in members if isinstance(one, ast.Constant)]
        case ast.BinOp(left, ast.BitOr(), ast.Constant(None)):
            return typed(left)
    return None, None, None


def calls(source: Source) -> Iterator[Told]:
    """The arguments that are added one by one."""
    for node in ast.walk(source.tree(ARGUMENTS)):
        if isinstance(node, ast.Call) and called(node) == "add_argument":
            given = keywords(node)
            names = [text(one) for one in node.args]
            action = ast.unparse(given["action"]) if "action" in given else ""
            kind = "bool" if action in ("'store_true'", "DeprecatedStoreTrueAction") else None
            yield Told(names[0], frozenset(names), kind, deprecated="Deprecated" in action or None)


def literal(node: ast.expr | None) -> Any:
    """A default's value; of a field without one None, as its parser has it."""
    if node is None:
        return None
    with suppress(ValueError):
        return ast.literal_eval(node)
    return UNTOLD


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {one.arg: one.value for one in call.keywords if one.arg}


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def text(node: ast.expr | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""
