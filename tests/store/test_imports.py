"""The tests of the contract know no SQL; that is for `sql`, and for the fixtures in `engines`."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("module", sorted(HERE.glob("*.py")), ids=lambda path: path.stem)
def test_no_test_of_the_contract_imports_sql(module: Path) -> None:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{each.name}" for each in node.names}
    sql = ("sqlalchemy", "alembic", "jobsched.store.sql", "tests.store.sql")
    assert [name for name in found if name.startswith(sql)] == []
