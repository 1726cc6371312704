"""The shipped HttpRequest in a real daemon: its commented section, taken out of its comment."""

import re

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.present import present
from tests.system.daemon import ROOT, eventually

TOKEN = "0123456789"


class Hook(Resource):
    """Keeps what comes; answers unless it was told to say nothing."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.came = []
        self.gone = 0
        self.port = 0
        self.silent = False

    def render_POST(self, request):
        self.came.append((request.uri, request.getHeader("authorization"), request.content.read()))
        if not self.silent:
            return b"heard " + request.getHeader("authorization").encode()
        request.notifyFinish().addErrback(self._left)
        return NOT_DONE_YET

    def _left(self, _why):
        self.gone += 1


@pytest.fixture
def hook():
    """A receiver in this process; its port."""
    hook = Hook()
    site = Site(hook)
    port = pytest_twisted.blockon(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site))
    hook.port = port.getHost().port
    yield hook
    pytest_twisted.blockon(port.stopListening())


def shipped(port):
    """The section of the shipped catalog that shows the task, for our receiver."""
    text = present(re.search(r"^# \[tell\]\n(?:# .*\n)+", (ROOT / "conf" / "catalog.cfg").read_text(), re.MULTILINE))[0]
    return re.sub("(?m)^# ", "", text).replace("https://chat.example", f"http://127.0.0.1:{port}")


@pytest_twisted.ensureDeferred
async def test_the_shipped_section_sends_its_job_and_has_a_deadline(daemon, hook):
    daemon.section(shipped(hook.port))
    daemon.start()
    parameters = {"channel": "a/b", "text": 'it is "done"'}
    job = await daemon.schedule("tell", 1000, parameters=parameters)

    run = await finished(daemon, job)
    assert (run["state"], run["reason"]) == ("succeeded", "finished")
    assert hook.came == [(b"/hooks/a%2Fb", f"Bearer {TOKEN}", rb'{"text": "it is \"done\""}')]
    printed = await daemon.text(f"/runs/{run['id']}/output")
    assert re.fullmatch(r"200 OK, 23 bytes in \d+\.\d{3} s\nheard \*\*\*\n", printed)

    hook.silent = True
    job = await daemon.schedule("tell", 1000, parameters=parameters, timeout=3)
    run = await finished(daemon, job)
    assert (run["state"], run["reason"]) == ("timed_out", "ran longer than its 3 s")
    await eventually(lambda: gone(hook))

    assert TOKEN not in str(await daemon.get("/catalog/tell"))
    assert daemon.stop() == 0
    assert TOKEN not in daemon.log


async def finished(daemon, job):
    """Run a job now; its run at the end."""
    answer = await daemon.ask("POST", f"{job}/run")
    assert answer.code == 202
    place = answer.headers.getRawHeaders("location")[0]

    async def ended():
        run = await daemon.get(place)
        return run if run["ended"] else None

    return await eventually(ended)


async def gone(hook):
    return hook.gone == 1


@pytest_twisted.ensureDeferred
async def test_a_host_that_a_job_could_choose_is_refused_at_the_start(daemon):
    daemon.section(shipped(1).replace("127.0.0.1:1/hooks/{channel}", "{channel}/"))
    status, said = daemon.run()
    assert status == 1
    assert "[tell] class: HttpRequest refuses its options" in said
    assert "ValueError: url: a parameter cannot stand before the path" in said
    assert TOKEN not in said
