"""The command line, and which endpoints may be listened on while nobody has to say who they are."""

from typing import cast

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

from jobsched.daemon.listening import CannotListen, Port
from jobsched.model.errors import BadConfig
from jobsched.reactor_types import Reactor
from jobsched.tap import Options, check_endpoint


def parsed(*arguments):
    options = Options()
    options.parseOptions(arguments)
    return {name: options[name] for name in ("conf-dir", "tasks-dir", "state-dir", "listen")}


def test_without_options_the_folders_are_below_the_current_one():
    assert parsed() == {"conf-dir": "conf", "tasks-dir": "tasks", "state-dir": "var", "listen": []}


def test_every_option_is_taken_and_listen_more_than_once():
    given = parsed("--conf-dir", "c", "--tasks-dir=t", "--state-dir", "s", "--listen", "unix:/s", "--listen=tcp:1")

    assert given == {"conf-dir": "c", "tasks-dir": "t", "state-dir": "s", "listen": ["unix:/s", "tcp:1"]}
    assert parsed()["listen"] == []  # not the list of the last one


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--nonsense"], "jobsched: option --nonsense not recognized; see --help"),
        (["-x"], "jobsched: option -x not recognized; see --help"),
        (["--listen"], "jobsched: option --listen requires argument; see --help"),
        (["start", "now"], "jobsched: unexpected argument: start; see --help"),
        ([""], "jobsched: unexpected argument: ; see --help"),
    ],
)
def test_a_mistake_ends_it_with_one_line(arguments, line):
    with pytest.raises(SystemExit) as caught:
        parsed(*arguments)
    assert caught.value.code == line


def test_twistd_offers_it_with_these_options():
    [plugin] = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "jobsched"]

    assert plugin.options is Options


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:58631:interface=127.0.0.1",
        "tcp:interface=127.0.0.1:port=58631",
        "tcp:port=0:interface=127.3.2.1",
        "tcp:80:127.0.0.1",
        "tcp:80:interface=localhost",
        r"tcp:80:interface=\:\:1",
        r"tcp6:80:interface=\:\:1",
        r"tcp6:interface=0\:0\:0\:0\:0\:0\:0\:1:port=80",
        "unix:/run/jobsched.sock",
        "unix:relative/socket:mode=600",
        r"unix:/run/odd\:name",
    ],
)
def test_what_only_this_host_can_reach_is_served(endpoint):
    check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:80",
        "tcp6:80",
        "tcp:port=80",
        "tcp:80:interface=",
        "tcp:80:interface=0.0.0.0",
        "tcp:interface=0.0.0.0:port=80",
        "tcp:80:interface=192.168.1.1",
        "tcp:80:interface=127.0.0.1.evil.com",
        "tcp:80:interface=127.evil.com",
        "tcp:80:interface=localhost.evil.com",
        "tcp:80:interface=128.0.0.1",
        "tcp:80:interface=127.0.0.1 ",
        "tcp:80:interface=127.0.0.1:interface=0.0.0.0",
        "tcp:80:0.0.0.0:backlog=127",
        r"tcp:80:interface=\:\:",
        r"tcp:80:interface=\:\:1.evil.com",
        r"tcp6:80:interface=\:\:ffff\:10.0.0.1",
        r"tcp6:80:interface=2001\:db8\:\:1",
    ],
)
def test_what_others_could_reach_is_refused(endpoint):
    with pytest.raises(BadConfig) as caught:
        check_endpoint(endpoint)
    assert str(caught.value) == (
        f"--listen: {endpoint}: anybody who reaches it could run every task of the catalog; "
        "without tokens only 127.0.0.1, ::1 and unix sockets are served"
    )


@pytest.mark.parametrize("endpoint", ["tcp:80", "tcp:80:interface=0.0.0.0", "tcp:80:interface=192.168.1.1", "unix:/s"])
def test_with_tokens_any_address_is_served(endpoint):
    check_endpoint(endpoint, asked=True)
    with pytest.raises(BadConfig):
        check_endpoint(f"{endpoint}:nonsense=1", asked=True)


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("", "not an endpoint served here; it begins with tcp, tcp6, ssl, tls, unix"),
        ("garbage", "not an endpoint served here"),
        ("58631", "not an endpoint served here"),
        ("TCP:80:interface=127.0.0.1", "not an endpoint served here"),
        ("stdio:", "not an endpoint served here"),
        ("systemd:domain=INET:index=0", "not an endpoint served here"),
        ("haproxy:tcp:80:interface=127.0.0.1", "not an endpoint served here"),
        ("tcp:", "not an endpoint: invalid literal for int()"),
        ("tcp:http:interface=127.0.0.1", "not an endpoint: invalid literal for int()"),
        ("tcp", "not an endpoint: "),
        ("tcp:80:interface=::1", "not an endpoint: got multiple values for argument 'interface'"),
        ("tcp:80:interfaces=127.0.0.1", "not an endpoint: got an unexpected keyword argument 'interfaces'"),
        ("tcp:65536:interface=127.0.0.1", "needs a path, or a port from 0 to 65535"),
        ("tcp:-1:interface=127.0.0.1", "needs a path, or a port from 0 to 65535"),
        ("ssl:443:interface=127.0.0.1:privateKey=/no/such/key", "not an endpoint: "),
        ("unix:", "needs a path, or a port from 0 to 65535"),
        ("unix:/s:mode=rw", "not an endpoint: invalid literal for int()"),
    ],
)
def test_what_is_no_endpoint_is_refused_and_said_why(endpoint, why):
    with pytest.raises(BadConfig) as caught:
        check_endpoint(endpoint)
    assert str(caught.value).startswith(f"--listen: {endpoint}: {why}")


def test_to_look_at_an_endpoint_listens_on_nothing(tmp_path):
    check_endpoint(f"unix:{tmp_path}/socket")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_one_line_also_without_privileges(tmp_path):
    from twisted.internet import reactor
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    endpoint = f"unix:{tmp_path}/no/such/folder"
    with pytest.raises(CannotListen) as caught:
        Port(endpoint, Site(Resource()), cast(Reactor, reactor)).startService()

    assert isinstance(caught.value, SystemExit)
    assert caught.value.code == f"jobsched: {endpoint}: No such file or directory"
