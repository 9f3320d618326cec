"""The OpenAPI document as a page that loads nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any


def docs_page(document: Mapping[str, Any]) -> str:
    """A page with a table for each route.

    Args:
        document: OpenAPI.
    """
    info, schemas = document["info"], document.get("components", {}).get("schemas", {})
    routes = "".join(_route(method, path, operation) for method, path, operation in _routes(document))
    shapes = "".join(_shape(name, schema) for name, schema in sorted(schemas.items()))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="page/docs.css"></head>'
        f"<body><main><h1>{escape(info['title'])}</h1>{_paragraphs(info['description'])}"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{routes}<h2>Fields</h2>{shapes}'
        "</main></body></html>"
    )


def _routes(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _paragraphs(text: str) -> str:
    """Paragraphs, and lists of lines that begin with a dash."""
    found = []
    for block in text.strip().split("\n\n"):
        if block.startswith("- "):
            items = "".join(f"<li>{escape(line[2:])}</li>" for line in block.splitlines())
            found.append(f"<ul>{items}</ul>")
        else:
            found.append(f"<p>{escape(block)}</p>")
    return "".join(found)


def _route(method: str, path: str, operation: Mapping[str, Any]) -> str:
    bodies = operation.get("requestBody", {}).get("content", {})
    takes = "".join(
        f"<h3>Takes {escape(kind)}</h3>{_fields(body['schema'])}" for kind, body in bodies.items()
    )
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(said['description'])}</td><td>{_contents(said)}</td></tr>"
        for status, said in sorted(operation["responses"].items())
    )
    return (
        f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(operation.get('summary', ''))}</p>{takes}"
        f"<h3>Answers</h3><table><tr><th>status</th><th>when</th><th>body</th></tr>{rows}</table>"
    )


def _contents(said: Mapping[str, Any]) -> str:
    return "<br>".join(
        f"{escape(kind)}: {_kind(body.get('schema', {}))}" for kind, body in said.get("content", {}).items()
    )


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    says = escape(schema.get("description", "").split("\n\n")[0])
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{says}</p>{_fields(schema)}'


def _fields(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"<p>{_kind(schema)}</p>"
    needed = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{'' if name in needed else ' (optional)'}</td>"
        f"<td>{_kind(field)}</td><td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<table><tr><th>field</th><th>type</th><th>meaning</th></tr>{rows}</table>" if rows else ""


_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in words, with its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return ", ".join(
            f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")])
        )
    kind = "file" if schema.get("format") == "binary" else str(schema.get("type", "anything"))
    if kind == "array" and "items" in schema:
        kind = f"list of {_kind(schema['items'])}"
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return ", ".join([kind, *map(escape, bounds)])
