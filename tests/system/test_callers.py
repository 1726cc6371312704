"""What callers order holds up nothing of the daemon's own: a hundred previews that take as long as they can."""

import json
import signal
import socket
import time
from collections import Counter

import pytest

from jobsched.config.tokens import FILE, hashed
from tests.system.caller import Caller, instant
from tests.system.daemon import GENEROUS

PREVIEW = {"cron": "0 0 0 29 2 *", "timezone": "Africa/Casablanca", "jitter": 3155760000, "count": 1000}
PROMPT = 10.0  # seconds, generous: tests share the machine; bench/previews.py measures
MANY = 100


def previews(daemon, token):
    """So many connections on which a preview is asked for."""
    body = json.dumps(PREVIEW).encode()
    head = "POST /preview HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    clients = [socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS) for _ in range(MANY)]
    for client in clients:
        client.sendall(head.encode() + body)
    return clients


def heard(client):
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def know(daemon, *names):
    """Write tokens.cfg: each token is the name of its section."""
    path = daemon.folder / "conf" / FILE
    scopes = "read run write admin"
    path.write_text("".join(f"[{name}]\nscopes = {scopes}\nhash = {hashed(name.encode())}\n" for name in names))
    path.chmod(0o600)


@pytest.mark.parametrize("hang_up", [True, False])
def test_a_hundred_previews_hold_up_no_revocation_and_no_end(daemon, hang_up):
    daemon.script("sleeps", "#!/bin/sh\nexec sleep 60\n")
    know(daemon, "boss", "caller")
    daemon.start()
    boss, other = Caller(daemon), Caller(daemon)
    boss.always["authorization"], other.always["authorization"] = "Bearer boss", "Bearer caller"
    job = boss.make("sleeps", 3600, timeout=1)
    clients = previews(daemon, "boss")
    if hang_up:
        for client in clients:
            client.close()
    run = boss.run(job)

    know(daemon, "boss")
    begun = time.monotonic()
    assert boss.ask("POST", "/catalog/reload").status == 200
    assert time.monotonic() - begun < PROMPT
    assert other.ask("GET", "/catalog").status == 401

    ended = boss.ended(run)
    assert ended["state"] == "timed_out"
    assert (instant(ended["ended"]) - instant(ended["started"])).total_seconds() < 1 + PROMPT

    if not hang_up:
        answers = [heard(client) for client in clients]
        found = Counter(answer.split(b" ", 2)[1] for answer in answers)
        assert found[b"200"] > 0
        assert found[b"200"] + found[b"503"] == MANY
        assert all(b"\r\nRetry-After: 5\r\n" in answer for answer in answers if b" 503 " in answer[:20])

    clients = previews(daemon, "boss")
    begun = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert time.monotonic() - begun < 2 * PROMPT
    for client in clients:
        client.close()
    assert "Traceback" not in daemon.log
