"""The page as a browser without scripts has it: screens as trees of elements, links, and forms that are sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urljoin

import attrs

from tests.system.caller import Answer
from tests.system.daemon import GENEROUS, Daemon

VOID = {"meta", "link", "input", "br", "hr", "img"}
WITHIN_A_LINE = {"a", "b", "code", "span", "time", "svg", "mark"}
OF_SVG = {"path", "circle", "rect", "use", "line"}


@attrs.define
class Element:
    """One element, with what stands in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = attrs.field(factory=list)

    def every(self, tag: str, **attributes: str) -> list[Element]:
        """All of that tag below it, with these attributes; `class_` is one of its classes."""
        found = []
        for each in self._below():
            wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
            classes = wanted.pop("class", None)
            fits = all(each.attributes.get(name) == value for name, value in wanted.items())
            if each.tag == tag and fits and (classes is None or classes in each.attributes.get("class", "").split()):
                found.append(each)
        return found

    def one(self, tag: str, **attributes: str) -> Element:
        """The only one."""
        found = self.every(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    @property
    def text(self) -> str:
        """What it says, with single blanks."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for each in self.children:
            yield from each._texts() if isinstance(each, Element) else [each]
        yield "" if self.tag in WITHIN_A_LINE else " "

    def _below(self) -> Iterator[Element]:
        for each in self.children:
            if isinstance(each, Element):
                yield each
                yield from each._below()


class Reader(HTMLParser):
    """Makes the tree, and takes no tag that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert self._open == [self.root], f"not closed: {[each.tag for each in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"given twice: {tag} {names}"
        made = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in OF_SVG
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> ends <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


@attrs.frozen
class Screen:
    """What came back, read."""

    answer: Answer
    path: str
    root: Element

    @property
    def main(self) -> Element:
        """What is not head or banner."""
        return self.root.one("main")

    @property
    def title(self) -> str:
        return self.root.one("h1").text

    def rows(self) -> list[list[str]]:
        """The cells of the rows of its table."""
        body = self.main.one("table").one("tbody")
        return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in body.every("tr")]

    def link(self, text: str) -> str:
        """Where the link with this text leads."""
        found = [each for each in self.root.every("a") if each.text == text]
        assert found, f"no link {text!r} on {self.path}"
        return found[0].attributes["href"]

    def form(self, button: str) -> Element:
        """The form with this button."""
        found = [form for form in self.root.every("form") if any(each.text == button for each in form.every("button"))]
        assert found, f"no button {button!r} on {self.path}"
        return found[0]

    @property
    def buttons(self) -> set[str]:
        """What can be pressed."""
        return {each.text for each in self.root.every("button")}


class Browser:
    """Keeps cookies, follows redirects, sends forms as a browser does that runs no script."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.cookies: dict[str, str] = {}
        self.origin = f"http://127.0.0.1:{daemon.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; no redirect is followed."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        client = HTTPConnection("127.0.0.1", self.daemon.port, timeout=GENEROUS)
        with contextlib.closing(client):
            client.request(method, path, body, given)
            answer = client.getresponse()
            for line in answer.msg.get_all("set-cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
                if "Max-Age=0" in line:
                    del self.cookies[name]
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def open(self, path: str, status: int = 200) -> Screen:
        """A screen, after redirects. It is sound in itself."""
        for _ in range(5):
            path = path.partition("#")[0]
            answer = self.ask("GET", path)
            if answer.status != 303:
                break
            path = urljoin(path, answer.headers["location"])
        assert answer.status == status, (path, answer.status, answer.text[-600:])
        return self._read(answer, path)

    def send(self, screen: Screen, button: str, status: int = 200, **fields: Any) -> Screen:
        """Press a button, with these values in its form; the screen after that."""
        form = screen.form(button)
        values = filled(form, button, fields)
        path = urljoin(screen.path, form.attributes["action"])
        if form.attributes.get("method", "get") == "get":
            return self.open(f"{path}?{urlencode(values)}", status)
        answer = self.post(path, values)
        if answer.status == 303:
            return self.open(urljoin(path, answer.headers["location"]), status)
        assert answer.status == status, (answer.status, answer.text[-600:])
        return self._read(answer, path)

    def post(self, path: str, values: list[tuple[str, str]] | Mapping[str, str], **headers: str) -> Answer:
        """Send a form."""
        usual = {"Content_Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        return self.ask("POST", path, urlencode(values).encode(), **usual | headers)

    def _read(self, answer: Answer, path: str) -> Screen:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'")
        assert "unsafe" not in policy
        root = Reader(answer.text).root
        check(root)
        return Screen(answer, path, root)


def filled(form: Element, button: str, fields: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields of a form as they are sent."""
    values: list[tuple[str, str]] = []
    known = set()
    for each in form._below():
        name = each.attributes.get("name")
        if each.tag not in {"input", "select", "textarea", "button"} or not name:
            continue
        if each.tag == "button":
            if each.text == button:
                values.append((name, each.attributes.get("value", "")))
            continue
        known.add(name)
        if name not in fields:
            values += [(name, value) for value in _own(each)]
    assert not set(fields) - known, f"no such fields: {set(fields) - known}"
    for name, value in fields.items():
        values += [(name, str(each)) for each in (value if isinstance(value, list) else [value])]
    return values


def _own(field: Element) -> list[str]:
    """What the field holds already."""
    if field.tag == "select":
        options = field.every("option")
        chosen = [each for each in options if "selected" in each.attributes]
        multiple = "multiple" in field.attributes
        return [each.attributes.get("value", each.text) for each in (chosen if chosen or multiple else options[:1])]
    if field.tag == "textarea":
        return ["".join(each for each in field.children if isinstance(each, str)).removeprefix("\n")]
    if field.attributes.get("type") in {"checkbox", "radio"}:
        return [field.attributes.get("value", "on")] if "checked" in field.attributes else []
    return [field.attributes.get("value", "")]


def check(root: Element) -> None:
    """What holds of every screen: one h1, landmarks, no inline script or style, labels, ids once, captions."""
    assert len(root.every("h1")) == 1
    assert len(root.every("main")) == len(root.every("header")) == 1
    ids = [each.attributes["id"] for each in root._below() if "id" in each.attributes]
    assert len(ids) == len(set(ids)), sorted(each for each in ids if ids.count(each) > 1)
    for each in root._below():
        assert "style" not in each.attributes
        assert not any(name.startswith("on") for name in each.attributes), each.attributes
        assert each.tag != "style"
        assert each.tag != "script" or (each.attributes["src"].startswith("/ui/static/") and not each.children)
        if each.tag == "table":
            assert each.one("caption").text
            assert all("scope" in cell.attributes for cell in each.every("th"))
        if each.tag == "form" and each.attributes.get("method") == "post":
            assert each.attributes["action"].startswith("/ui/")
    labelled = {each.attributes["for"] for each in root.every("label") if "for" in each.attributes}
    within = {id(field) for label in root.every("label") for field in label._below()}
    for tag in ("input", "select", "textarea"):
        for field in root.every(tag):
            hidden = field.attributes.get("type") == "hidden"
            named = field.attributes.get("id") in labelled or id(field) in within or "aria-label" in field.attributes
            assert hidden or named, field
