"""TLS on the gateway's listener: real certificates, taken again when they change, while streams run."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from studio_core import settings
from studio_core.client import Client
from studio_core.controller.gatekeeper import Gatekeeper
from studio_core.doctor import house as daemons
from studio_core.doctor.finding import OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.errors import BadSetting, Daemonless, StudioError
from studio_core.gateway import tls
from studio_core.paths import Places
from tests.faults.gateway_house import KEY, STREAM_HEAD, Asked, Gateways, body_of, chunk, event, gateways, get, unchunked
from tests.house import house as studio
from tests.wait import eventually, wait_until


class Authority:
    """Issues certificates for localhost, and remembers the newest."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.serial = 0

    def issue(self, secret: bytes | None = None) -> None:
        """A new pair in place of the old, each file at once."""
        key, self.serial = ec.generate_private_key(ec.SECP256R1()), self.serial + 1
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"serial {self.serial}")])
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(self.serial).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1)).add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
        )
        lock = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
        replace(self.certificate, made.public_bytes(serialization.Encoding.PEM))
        replace(self.key, text)

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def replace(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.replace(path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    one = Authority(tmp_path)
    one.issue()
    return one


@pytest.fixture
async def house(state_dir: Path, free_port: int, authority: Authority) -> AsyncIterator[Gateways]:
    overrides = {"tls_cert": str(authority.certificate), "tls_key": str(authority.key)}
    async with gateways(state_dir, free_port, overrides, ping_s=0.2) as one:
        one.tls = authority.trusting()
        yield one


def serial(context: ssl.SSLContext) -> Iterator[int]:
    """What a handshake with it shows, one after the other."""
    while True:
        incoming, outgoing, back, forth = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        client = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
        server = context.wrap_bio(back, forth, server_side=True)
        for _ in range(4):
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
                back.write(outgoing.read())
                incoming.write(forth.read())
        der = client.getpeercert(True)
        assert der is not None
        yield x509.load_der_x509_certificate(der).serial_number


def test_the_last_good_pair_stays_in_use(authority: Authority) -> None:
    one = tls.Certificate(authority.certificate, authority.key)
    shown = serial(one.context)
    assert next(shown) == 1
    good = authority.key.read_bytes()
    begin = good[:40]
    for bad, said in ((b"", "cannot be used"), (begin, "cannot be used"), (None, "cannot be read")):
        replace(authority.key, bad) if bad is not None else authority.key.unlink()
        one.look()
        assert not one.problem, "it is looked at twice: somebody may be in the middle of writing it"
        one.look()
        assert said in one.problem and next(shown) == 1
        replace(authority.key, good)
        one.look()
        one.look()
        assert not one.problem and next(shown) == 1
    authority.issue()
    one.look()
    one.look()
    assert not one.problem and next(shown) == 2


def test_the_two_files_are_changed_one_after_the_other(authority: Authority) -> None:
    one, old = tls.Certificate(authority.certificate, authority.key), authority.key.read_bytes()
    shown = serial(one.context)
    authority.issue()
    new = authority.key.read_bytes()
    replace(authority.key, old)
    one.look()
    one.look()
    assert "is not the key of" in one.problem and next(shown) == 1
    replace(authority.key, new)
    one.look()
    one.look()
    assert not one.problem and next(shown) == 2


def test_nothing_is_asked_on_the_terminal_for_a_key_with_a_password(authority: Authority) -> None:
    authority.issue(b"secret")
    with pytest.raises(BadSetting) as error:
        tls.Certificate(authority.certificate, authority.key)
    assert "without a password" in error.value.hint


@pytest.mark.parametrize(("cert", "key", "said"), [
    ("cert.pem", "none.pem", "tls_key cannot be read"),
    ("none.pem", "", "tls_cert cannot be read"),
    ("key.pem", "key.pem", "cannot be used"),
    ("", "key.pem", "tls_key without tls_cert"),
])
async def test_bad_files_are_said_before_anything_is_served(
    places: Places, authority: Authority, cert: str, key: str, said: str
) -> None:
    paths = {"tls_cert": cert and str(authority.certificate.parent / cert), "tls_key": key and str(authority.key.parent / key)}
    found = settings.load({"data_dir": str(places.root), "port": 1, **paths}, environ={})
    with pytest.raises(BadSetting) as error:
        await Gatekeeper(found, places).start()
    assert said in error.value.title


async def test_clients_speak_tls_and_nothing_else(house: Gateways, authority: Authority) -> None:
    assert body_of(await house.ask(get("/health")))["tls"] == "on"
    trusting = openai.DefaultAsyncHttpxClient(verify=authority.trusting(), trust_env=False)
    async with openai.AsyncOpenAI(
        base_url=f"https://localhost:{house.port}/v1", api_key=KEY, max_retries=0, http_client=trusting
    ) as client:
        stream = await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}], stream=True)
        assert "".join([part.choices[0].delta.content or "" async for part in stream]) == "hello there"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(get("/health"))
    async with asyncio.timeout(60):
        assert not (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_who_is_refused_reads_why_and_who_leaves_is_noticed(house: Gateways) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    answer = await house.ask(head + b"x" * 100_000)
    assert answer.startswith(b"HTTP/1.1 413")

    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    house.engine.script = silent
    task = asyncio.create_task(house.chat(stream=True))
    await eventually(lambda: len(house.engine.asked) == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await eventually(lambda: house.engine.gone == 1)


async def test_a_silent_client_does_not_hold_a_handshake_open(house: Gateways, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", house.port)) as link:
        link.sendall(b"\x16\x03\x01")
        answers = await asyncio.gather(*(house.chat() for _ in range(10)))
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


async def shown_by(house: Gateways) -> int:
    """The serial number of what a new client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", house.port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return x509.load_der_x509_certificate(der).serial_number


async def test_a_changed_certificate_is_shown_to_who_comes_and_cuts_nobody(house: Gateways, authority: Authority) -> None:
    go_on = asyncio.Event()

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(event("a")))
        await go_on.wait()
        writer.write(chunk(event("b", "stop")) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    house.engine.script = script
    stream = asyncio.create_task(house.chat(stream=True))
    await eventually(lambda: len(house.engine.asked) == 1)
    authority.issue()
    house.tls = authority.trusting()

    async def new() -> bool:
        return await shown_by(house) == 2

    await eventually(new)
    os.truncate(authority.certificate, 10)

    async def told() -> bool:
        return bool(body_of(await house.ask(get("/health")))["tls_problem"])

    await eventually(told)
    assert await shown_by(house) == 2
    go_on.set()
    assert unchunked(await stream).endswith(b"data: [DONE]\n\n")


async def test_tls_is_switched_on_by_a_hand_over(state_dir: Path, free_port: int, authority: Authority) -> None:
    go_on = asyncio.Event()

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(event("a")))
        await go_on.wait()
        writer.write(chunk(event("b", "stop")) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    async with gateways(state_dir, free_port) as house:
        house.engine.script = script
        stream = asyncio.create_task(house.chat(stream=True))
        await eventually(lambda: len(house.engine.asked) == 1)
        old = house.pid
        await house.close(shutdown=False)
        house.start = "s2"
        house.overrides.update(tls_cert=str(authority.certificate), tls_key=str(authority.key))
        await house.open()
        await eventually(lambda: house.link.gateway.connected and house.pid != old)
        await house.linked()
        house.tls = authority.trusting()
        assert house.link.gateway.url.startswith("https://")
        assert body_of(await house.ask(get("/health")))["tls"] == "on"
        go_on.set()
        assert unchunked(await stream).endswith(b"data: [DONE]\n\n")


async def test_our_own_client_trusts_what_it_is_told_to(
    house: Gateways, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(url=f"https://localhost:{house.port}", key=KEY)
    with pytest.raises(Daemonless, match="certificate"):
        await asyncio.to_thread(client.requests)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    # Only the controller's socket is missing here: the gateway was reached, and says so.
    with pytest.raises(StudioError, match="the controller is away"):
        await asyncio.to_thread(client.requests)


def test_doctor_says_that_an_older_certificate_is_in_use_and_why(state_dir: Path, authority: Authority) -> None:
    with studio(state_dir, tls_cert=str(authority.certificate), tls_key=str(authority.key)) as home:

        def found(*levels: str) -> list[Finding]:
            told = list(daemons.gateway(Subject(home.settings, {})))
            return told if [one.level for one in told] == list(levels) else []

        assert found(OK), "it is asked over TLS"
        good = authority.key.read_bytes()
        replace(authority.key, good[:40])
        old = wait_until(lambda: found(WARN, OK), what="the broken key is found")[0]
        assert "older" in old.what and str(authority.key) in old.why and "tls_key" in old.remedy
        replace(authority.key, good)
        assert wait_until(lambda: found(OK), what="and found whole again")
