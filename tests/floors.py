"""The house's rules, checked on source text with nothing but `ast`: each function answers what is wrong."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"hub", "hub.client", "hub.errors", "hub.protection", "hub.tally"}),
    frozenset({"hub.domain", "hub.redisurl", "hub.values"}),
    frozenset(
        {
            "hub.store",
            "hub.views",
            "hub.limits",
            "hub.fetching",
            "hub.strictjson",
            "hub.text",
            "hub.wording",
            "hub.beside",
            "hub.ids",
            "hub.clock",
            "hub.sharing",
            "hub.settings",
            "hub.metrics",
            "hub.looplag",
            "hub.listening",
            "hub.errand",
            "hub.machine",
            "hub.readiness",
            "hub.stopping",
            "hub.workers",
            "hub.logs",
        }
    ),
    frozenset({"hub.bookkeeping", "hub.news", "hub.frames", "hub.keys", "hub.sealing", "hub.audit", "hub.scraping"}),
    frozenset({"hub.bus", "hub.samples"}),
    frozenset({"hub.ledger", "hub.rooms", "hub.tokens", "hub.migrations", "hub.spending"}),
    frozenset({"hub.presence", "hub.leases", "hub.resealing", "hub.keeping"}),
    frozenset({"hub.web", "hub.sockets"}),
    frozenset({"hub.instruments"}),
    frozenset({"hub.app", "hub.checks", "hub.watching"}),
    frozenset({"hub.server", "hub.standing"}),
    frozenset({"hub.crowd"}),
    frozenset({"hub.demo"}),
    frozenset({"hub.commands"}),
    frozenset({"hub.cli"}),
    frozenset({"hub.__main__"}),
)
"""From the ground up. A room may use the floors below its own, and itself; never a neighbour."""

ONLY_IN: Mapping[str, tuple[str, ...]] = {
    "sqlalchemy": ("hub.store", "hub.migrations"),
    "alembic": ("hub.store", "hub.migrations"),
    "starlette": ("hub.web", "hub.sockets", "hub.app", "hub.demo"),
    "jwt": ("hub.tokens", "hub.keys"),
    "redis": ("hub.bus.redis",),
    "prometheus_client": ("hub.metrics",),
    "uvicorn": ("hub.server", "hub.sockets"),
    "websockets": ("hub.sockets", "hub.client"),
}
"""Where a library may be named at all."""

LATE: Mapping[str, tuple[str, ...]] = {
    "hub.cli": ("hub.commands",),
    "hub.commands.serve": ("hub.commands",),
    "hub.demo": ("hub.crowd",),
    "hub.app": ("hub.bus.redis",),
    "hub.standing": ("hub.bus.redis", "hub.store.condition"),
    "hub.store.opening": ("hub.store.sqlite", "hub.store.postgresql"),
    "hub.store.bulk": ("sqlalchemy.dialects",),
    "hub.store.schema": ("hub.store.history",),
    "hub.web.exports": ("hub.web.calendar",),
    "hub.web.examples": ("hub.web.calendar",),
}
"""What a module may import inside a function: what takes long to import, and most processes do without."""

IMPURE = frozenset({"asyncio", "os", "random", "secrets", "socket", "subprocess", "threading", "time", "uuid"})
CLOCKS_AND_DICE = frozenset({"now", "utcnow", "today", "uuid4", "uuid1", "open", "input", "print"})

MOST_LINES = 400


def sources() -> dict[str, str]:
    """Every module of hub/ by its dotted name."""
    found = {}
    for path in sorted((ROOT / "hub").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


def within(module: str, room: str) -> bool:
    """Whether a module is a room, or inside it."""
    return module == room or module.startswith(f"{room}.")


def floor_of(module: str) -> tuple[int, str] | None:
    """The floor and the room of a module, the closest one named; `hub` itself is only its own `__init__`."""
    rooms = ((level, room) for level, floor in enumerate(FLOORS) for room in floor)
    fitting = [(level, room) for level, room in rooms if (module == room if room == "hub" else within(module, room))]
    return max(fitting, key=lambda one: len(one[1])) if fitting else None


def imports(source: str, known: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of all that is imported; `from hub import views` is `hub.views`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in known else base


def wrong_imports(modules: Mapping[str, str]) -> list[str]:
    """Modules without a floor, imports that point up or to a neighbour, and libraries out of their place."""
    wrong = []
    for module, source in modules.items():
        here = floor_of(module)
        if here is None:
            wrong.append(f"{module} has no floor")
            continue
        for line, name in imports(source, modules):
            if name.startswith("."):
                wrong.append(f"{module}:{line} imports relatively")
            elif within(name, "hub"):
                there = floor_of(name)
                if there is None or (there[1] not in ("hub", here[1]) and there[0] >= here[0]):
                    wrong.append(f"{module}:{line} imports {name}, which does not stand below it")
            else:
                library = name.partition(".")[0]
                if not any(within(module, room) for room in ONLY_IN.get(library, ("hub",))):
                    wrong.append(f"{module}:{line} imports {library}")
    return wrong


def late_imports(module: str, source: str) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of whatever is not imported at the top of its module."""
    tree = ast.parse(source)
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top:
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from ((node.lineno, base + alias.name) for alias in node.names)


def hidden_imports(module: str, source: str) -> list[str]:
    """Imports that are not at the top of their module, and are none of LATE."""
    return [
        f"{module}:{line} imports {name} inside something"
        for line, name in late_imports(module, source)
        if not any(within(name, room) for room in LATE.get(module, ()))
    ]


def cycle(modules: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a ring, or nothing."""
    edges = {
        module: {name for _, name in imports(source, modules) if name in modules and name != module}
        for module, source in modules.items()
    }
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        found = next((ring for name in sorted(edges[module]) if (ring := walk(name, [*path, module]))), [])
        done.add(module)
        return found

    return next((ring for module in sorted(modules) if (ring := walk(module, []))), [])


def impurities(module: str, source: str) -> list[str]:
    """What pure rules may not do: wait, look at a clock, throw dice, touch the machine, or know anyone above."""
    wrong = []
    for line, name in imports(source, {}):
        library = name.partition(".")[0]
        allowed = library in sys.stdlib_module_names and library not in IMPURE
        if not (allowed or within(name, "hub.domain") or name == "hub.errors"):
            wrong.append(f"{module}:{line} imports {name}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            wrong.append(f"{module}:{node.lineno} is asynchronous")
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in CLOCKS_AND_DICE:
                wrong.append(f"{module}:{node.lineno} calls {called}()")
    return wrong


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def undocumented(module: str, source: str) -> list[str]:
    """Public modules, classes, functions and methods that say nothing about themselves."""
    return [f"{module}.{name}".rstrip(".") for name, node in _public(ast.parse(source)) if not ast.get_docstring(node)]


def _public(node: Documented, prefix: str = "") -> Iterator[tuple[str, Documented]]:
    yield prefix, node
    if isinstance(node, ast.Module | ast.ClassDef):
        for inner in node.body:
            if not isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not inner.name.startswith("_"):
                yield from _public(inner, f"{prefix}.{inner.name}".lstrip("."))
