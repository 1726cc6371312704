"""URLs of MongoDB: what is shown of them, and what they are refused for. No server is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

import jobsched.store.mongo
from jobsched.model.errors import BadStore
from jobsched.store.opening import file_of, make_url_safe, migrate
from jobsched.verify import main


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://h/d", "mongodb://h/d"),
        ("mongodb://u:hunter22@a:1,b:2/d?replicaSet=rs", "mongodb://u:***@a:1,b:2/d?replicaSet=rs"),
        ("mongodb+srv://u:hunter@22/?@h/d", "mongodb+srv://u:***@h/d"),
        ("mongodb://u@h/d?tls=true&tlsCertificateKeyFilePassword=hunter22", "mongodb://u@h/d?tls=true"),
        ("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter22", "mongodb://h/"),
    ],
)
def test_the_url_is_told_without_its_password(url: str, shown: str) -> None:
    assert make_url_safe(url) == shown
    assert file_of(url) is None


@pytest.mark.parametrize("url", ["mongodb://u:hunter/22@h/d", "mongodb://u:hunter22@h:port/d", "mongodb://:hunter22@h"])
def test_what_is_no_url_is_not_quoted(url: str) -> None:
    with pytest.raises(BadStore, match="is no URL that MongoDB's driver understands") as refused:
        migrate(url)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("part", ["schema", "verify"])
def test_without_its_driver_it_says_what_to_install(
    part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opens: dict[str, Callable[[str], object]] = {"schema": migrate, "verify": lambda url: main(["--store", url])}
    monkeypatch.setitem(sys.modules, f"jobsched.store.mongo.{part}", None)
    monkeypatch.delattr(jobsched.store.mongo, part, raising=False)
    try:
        opens[part]("mongodb://u:hunter22@h/d")
        said = capsys.readouterr().err
    except BadStore as why:
        said = str(why)
    assert "store: mongodb://u:***@h/d needs a driver: pip install 'jobsched[mongodb]'" in said
