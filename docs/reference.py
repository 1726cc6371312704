"""The reference of the API, made from the daemon's own description of it (OpenAPI) when the pages are built.

`.. reference::`         every call by its group, with a line to try, then what is sent to receivers, then every record
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docutils import nodes
from fields import prose, routes, table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jobsched.rest.openapi import ANY, describe

Schema = Mapping[str, Any]
ADDRESS = "localhost:58631"
FIRST = {"jobs", "runs", "tasks"}
SAMPLES = {
    "job_id": "nightly-report", "run_id": "01a20a3c-5d6e-7f80-9b1c-2d3e4f5a6b7c", "name": "runfoo",
}  # fmt: skip


def lines(description: Mapping[str, Any]) -> list[str]:
    """The whole page as RST, behind its head."""
    found: list[str] = []
    for group in sorted(description["tags"], key=lambda each: each["name"] not in FIRST):
        calls = [
            (verb, path, call)
            for path, verbs in description["paths"].items()
            for verb, call in verbs.items()
            if group["name"] in call["tags"]
        ]
        if calls:
            found += [*title(group["name"].capitalize(), "-"), f"{prose(group['description'])}.", ""]
            for verb, path, call in calls:
                found += _call(verb.upper(), path, call, description["components"]["schemas"])
    found += [*title("What is sent to receivers", "-"), "See :doc:`notifications`.", ""]
    rows = [(f"``{name}``", prose(f"{each['post']['summary']}. {each['post']['description']}"))
            for name, each in description["webhooks"].items()]  # fmt: skip
    found += table(("event", "means"), rows)
    found += ["All of them are a ``POST`` with a :ref:`NotificationOut <record-NotificationOut>`.", ""]
    found += title("Records", "-")
    for name, schema in sorted(description["components"]["schemas"].items()):
        found += _record(name, schema)
    return found


def title(text: str, line: str) -> list[str]:
    """A heading."""
    return [text, line * len(text), ""]


def _call(verb: str, path: str, call: Mapping[str, Any], schemas: Mapping[str, Schema]) -> list[str]:
    found = [f".. _call-{call['operationId']}:", "", *title(f"``{verb} {path}``", "~")]
    found += [f"{prose(call['summary'])} (``{call['operationId']}``). {prose(call['description'])}", ""]
    found += [".. code-block:: console", "", *(f"   {line}" for line in curl(verb, path, call)), ""]
    asked = [(f"``{each['name']}``", each["in"], kind(each["schema"]),
              prose(each["description"])) for each in call["parameters"]]  # fmt: skip
    if asked:
        found += table(("parameter", "in", "may be", "means"), asked)
    body = call.get("requestBody")
    if body:
        needed = "" if body["required"] else ", which may be left out"
        record = next(iter(body["content"].values()))["schema"]
        found += [f"Body{needed}: {kind(record)}, as {_types(body['content'])}.", ""]
    answers = call["responses"]
    found += table(("answer", "is"), [(f"``{each}``", _answer(answers[each])) for each in answers if each < "4"])
    refused = [f"``{each}``" for each in answers if each >= "4" and int(each) not in ANY]
    return [*found, f"Refused with {', '.join(refused)}.", ""] if refused else found


def curl(verb: str, path: str, call: Mapping[str, Any]) -> Iterator[str]:
    """A line to try: put an id of your own in."""
    there = re.sub("{(.*?)}", lambda name: SAMPLES.get(name[1], SAMPLES["run_id"]), path)
    method = "" if verb == "GET" else f" -X {verb}"
    content: Mapping[str, Any] = call.get("requestBody", {}).get("content", {})
    examples = next(iter(content.values()), {}).get("examples")
    if not examples:
        yield f"$ curl -si{method} {ADDRESS}{there}"
        return
    body = json.dumps(next(iter(examples.values()))["value"])
    yield f"$ curl -si{method} {ADDRESS}{there} -H 'Content-Type: application/json' \\"
    yield f"      -d '{body}'"


def _answer(response: Mapping[str, Any]) -> str:
    content = response.get("content", {})
    text = prose(response["description"])
    if content:
        text += f": {' or '.join(dict.fromkeys(_content(media, each) for media, each in content.items()))}"
    headers = response.get("headers")
    return f"{text}, with {', '.join(f'``{name}``' for name in headers)}" if headers else text


def _content(media: str, each: Schema) -> str:
    return kind(each["schema"]) if "$ref" in each["schema"] else f"``{media}``"


def _types(content: Mapping[str, Any]) -> str:
    return " or ".join(f"``{media}``" for media in content)


def _record(name: str, schema: Schema) -> list[str]:
    found = [f".. _record-{name}:", "", *title(f"``{name}``", "~")]
    if schema.get("description"):
        found += [prose(schema["description"]), ""]
    needed = schema.get("required", ())
    rows = [
        (f"``{field}``", kind(each), "yes" if field in needed else "", prose(each.get("description", "")) or "\\ ")
        for field, each in schema.get("properties", {}).items()
    ]
    return found + (table(("field", "holds", "always", "means"), rows) if rows else [])


def kind(schema: Schema) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f":ref:`{name} <record-{name}>`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"``{json.dumps(value).strip(chr(34))}``" for value in schema["enum"])
    if "const" in schema:
        return f"``{json.dumps(schema['const'])}``"
    of = schema.get("type")
    if of == "array":
        return f"a list of: {kind(schema.get('items', {}))}"
    if of == "object":
        inner = schema.get("additionalProperties")
        return f"an object of: {kind(inner)}" if isinstance(inner, dict) and inner else "an object"
    words = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return f"{words.get(str(of), str(of or 'anything'))}{_bounds(schema)}"


def _bounds(schema: Schema) -> str:
    said = [f"{word} {schema[name]:,}" for name, word in LIMITS if name in schema]
    form = schema.get("format")
    return (f" ({form})" if form else "") + (f", {' and '.join(said)}" if said else "")


LIMITS: Sequence[tuple[str, str]] = (
    ("minimum", "at least"), ("exclusiveMinimum", "above"), ("maximum", "at most"), ("maxLength", "characters up to"),
)  # fmt: skip


class Reference(SphinxDirective):
    """`.. reference::`"""

    def run(self) -> list[nodes.Node]:
        """Everything, in sections."""
        return self.parse_text_to_nodes("\n".join(lines(describe(routes()))), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True}
