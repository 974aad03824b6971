"""`studio keys`: who may come over the network. `admin` prints the key that was made at the first start."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from studio_core import daemon, wire
from studio_core.cli.table import as_json, table
from studio_core.client import Client
from studio_core.errors import BadInput, NotFound
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.text import line

SCOPES = "inference,read"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "make", "revoke", "admin"), default="list")
    parser.add_argument("name", nargs="?", default="", help="to make: who or what uses it; to revoke: its name or id")
    parser.add_argument("--scopes", default=SCOPES, help=f"of a new key: some of admin,inference,read,metrics; by default {SCOPES}")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    print(ACTIONS[options.action](options, settings))
    return 0


def _admin(options: argparse.Namespace, settings: Settings) -> str:
    """Read where it lies: it is the way in when nothing else is."""
    places = Places(settings.state_dir)
    if not places.admin_key.exists():
        daemon.ensure(settings)
    return places.admin_key.read_text(encoding="ascii").strip()


def _list(options: argparse.Namespace, settings: Settings) -> str:
    found = daemon.ensure(settings).keys()
    if options.json:
        return as_json(found)
    rows = [[one.id, one.name + (" (admin.key)" if one.own else ""), " ".join(one.scopes), one.created_at[:16]] for one in found]
    return table(["KEY", "NAME", "SCOPES", "MADE"], rows)


def _make(options: argparse.Namespace, settings: Settings) -> str:
    """The key alone on the output, for a script; a person is told the rest beside it."""
    if not options.name:
        raise BadInput("a key needs a name", "", "name who or what uses it: studio keys make open-webui --scopes inference,read")
    made = daemon.ensure(settings).make_key(options.name, options.scopes.replace(",", " ").split())
    if options.json:
        return as_json(made)
    if sys.stderr.isatty():
        print(f"{line(made.name)} may {', '.join(made.scopes)}; the key is not shown again", file=sys.stderr)
    return made.key


def _revoke(options: argparse.Namespace, settings: Settings) -> str:
    if not options.name:
        raise BadInput("which key is to be revoked?", "", "see: studio keys; then: studio keys revoke NAME")
    client = daemon.ensure(settings)
    one = _meant(client, options.name)
    client.revoke_key(one.id)
    if options.json:
        return as_json({"revoked": one.id})
    return f"{line(one.name)} revoked" + ("; a new admin key is in admin.key: studio keys admin" if one.own else "")


def _meant(client: Client, name: str) -> wire.KeyView:
    """By id, or by a name that only one has. Raises NotFound, BadInput."""
    keys = client.keys()
    found = [one for one in keys if one.id == name] or [one for one in keys if one.name == name]
    if not found:
        raise NotFound(f"no key {line(name)}", "", "see: studio keys")
    if len(found) > 1:
        raise BadInput(f"{len(found)} keys are called {line(name)}", ", ".join(one.id for one in found), "name one by its id")
    return found[0]


ACTIONS: dict[str, Callable[[argparse.Namespace, Settings], str]] = {
    "list": _list, "make": _make, "revoke": _revoke, "admin": _admin,
}
