"""Studio's own processes: whether they live, answer, and are of this version."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

from studio_core import __version__, wire
from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import ANSWER_S, Subject


def controller(subject: Subject) -> Iterator[Finding]:
    record, status = subject.controller, subject.status
    if record is None:
        yield Finding("controller", OK, "not running; it starts with the first client or: studio up")
    elif status is None:
        yield Finding("controller", FAIL, f"the controller (pid {record['pid']}) does not answer", "it hangs or is stopped",
                      f"see {subject.places.logs}/controller.log, then: studio up --replace")
    elif status.controller.version != __version__:
        yield Finding("controller", WARN, f"the controller is of version {status.controller.version}, this is {__version__}",
                      "it was started before an upgrade", "studio up --replace (engines and streams go on)")
    else:
        yield Finding("controller", OK, f"pid {record['pid']}, version {__version__}")


def gateway(subject: Subject) -> Iterator[Finding]:
    """Asked over TCP, as clients do."""
    if subject.status is None:
        return
    found = subject.status.gateway
    began = time.monotonic()
    connection = _dial(found, found.host or subject.settings.host)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        answer, said = response.status, _health(response.read())
    except (OSError, http.client.HTTPException) as error:
        yield Finding("gateway", FAIL, f"the gateway does not answer on {found.host}:{found.port}", str(error),
                      f"see {subject.places.logs}/gateway.log")
        return
    finally:
        connection.close()
    if problem := said.get("tls_problem"):
        yield Finding("gateway", WARN, "the certificate in use is an older one", problem, "mend tls_cert and tls_key")
    took = (time.monotonic() - began) * 1000
    if answer != http.client.OK or not found.connected:
        linked = "" if found.connected else "; it has no link to the controller"
        yield Finding("gateway", WARN, f"/health answers {answer}{linked}", "", f"see {subject.places.logs}/gateway.log")
    else:
        yield Finding("gateway", OK, f"pid {found.pid} answers on {found.host}:{found.port} in {took:.0f} ms")


def _dial(found: wire.Gateway, host: str) -> http.client.HTTPConnection:
    """Whether it answers is asked, not who it is: its certificate is for the names that clients use."""
    if not found.tls:
        return http.client.HTTPConnection(host, found.port, timeout=ANSWER_S)
    import ssl

    return http.client.HTTPSConnection(host, found.port, timeout=ANSWER_S, context=ssl._create_unverified_context())


def _health(data: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(data)
        return found if isinstance(found, dict) else {}
    return {}


def notices(subject: Subject) -> Iterator[Finding]:
    """What the controller itself has to say."""
    for text in subject.status.notices if subject.status else ():
        yield Finding("notice", WARN, text, "", "see studio logs controller")
