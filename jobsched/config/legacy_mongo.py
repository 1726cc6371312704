"""The URL of the MongoDB that an old `SCHED_CONFIG` names, by the options that APScheduler gave to pymongo."""

from __future__ import annotations

from collections.abc import MutableMapping
from urllib.parse import quote

DATABASE, COLLECTION = "apscheduler", "jobs"  # APScheduler's
IN_URL = ("replicaSet", "authSource", "authMechanism", "tls", "ssl", "tlsCAFile", "tlsCertificateKeyFile")


def url_of(options: MutableMapping[str, object], database: str) -> str | None:
    """The URL of `database` there. None: the server cannot be told. What the URL says is taken out of `options`.

    The account may be known to the old database alone, so that one is still asked for it.
    """
    host, port = options.pop("host", "localhost"), options.pop("port", None)
    user, password = options.pop("username", None), options.pop("password", None)
    if isinstance(host, list):
        host = ",".join(map(str, host))
    if not isinstance(host, str) or not isinstance(port, int | str | None):
        return None
    scheme, _, rest = host.rpartition("://")
    account, mark, place = rest.rpartition("@")
    servers, _, path = place.partition("/")
    old, _, query = path.partition("?")
    if not mark and user is not None:
        account, mark = quote(str(user), "") + ("" if password is None else f":{quote(str(password), '')}"), "@"
    if port is not None and not any(sign in servers for sign in ":,") and scheme != "mongodb+srv":
        servers = f"{servers}:{port}"
    said = [option for option in query.split("&") if option]
    said += [f"{name}={_value(options.pop(name))}" for name in IN_URL if name in options]
    if mark and not any(option.lower().startswith("authsource=") for option in said):
        said.append(f"authSource={old or 'admin'}")
    more = f"?{'&'.join(said)}" if said else ""
    return f"{scheme or 'mongodb'}://{account}{mark}{servers}/{database}{more}"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else quote(str(value), "")
