"""Imports between the rooms of the package run one way."""

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / 'focus_mmdet'
#: Folders whose files are separate: helpers below the rooms, and what stands above them.
OPEN = {PACKAGE, PACKAGE / 'datasets', PACKAGE / 'engine', PACKAGE / 'models'}


def room(path: Path) -> str:
    """The folder of a file, or the file itself where it lies beside rooms."""
    return str((path if path.parent in OPEN else path.parent).relative_to(ROOT))


def imports(path: Path) -> set[str]:
    """Rooms that a file imports, itself included."""
    nodes = ast.walk(ast.parse(path.read_text()))
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    names = {
        name for node in found for name in [node.module, *(f'{node.module}.{a.name}' for a in node.names)]
    }
    files = [ROOT / name.replace('.', '/') for name in names if name.startswith('focus_mmdet.')]
    return {room(file.with_suffix('.py')) for file in files if file.with_suffix('.py').is_file()}


def test_no_room_imports_one_that_imports_it():
    graph: dict[str, set[str]] = defaultdict(set)
    # A package's __init__ lists what its rooms offer.
    for path in PACKAGE.rglob('*.py'):
        if path.name != '__init__.py':
            graph[room(path)] |= imports(path) - {room(path)}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index('focus_mmdet/models/vlm') < order.index('focus_mmdet/models/heads')
    assert not graph['focus_mmdet/core']
