"""Rules of the house that no linter knows."""

import ast
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported_packages(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    ("package", "stranger"),
    [
        ("reference_bot", "botproof"),
        ("botproof", "reference_bot"),
    ],
)
def test_the_harness_and_the_bot_never_import_each_other(package: str, stranger: str) -> None:
    sources = list((ROOT / package).rglob("*.py"))
    assert sources
    guilty = [str(s.relative_to(ROOT)) for s in sources if stranger in imported_packages(s)]
    assert guilty == []


@pytest.mark.parametrize("package", ["pandas", "numpy", "scipy", "ccxt"])
def test_production_code_does_not_import_what_costs_it_its_memory(package: str) -> None:
    sources = list((ROOT / "reference_bot").rglob("*.py"))
    guilty = [str(s.relative_to(ROOT)) for s in sources if package in imported_packages(s)]
    assert guilty == []


def locked(name: str) -> dict[str, str]:
    pins = re.findall(
        r"^([a-z0-9._-]+)==(\S+)", (ROOT / "lock" / f"{name}.txt").read_text(), re.MULTILINE
    )
    return dict(pins)


@pytest.mark.parametrize("lock", ["bot", "market-data", "gate"])
def test_what_runs_and_what_judges_are_installed_in_the_versions_that_are_tested(lock: str) -> None:
    tested = locked("dev")
    assert locked(lock)
    assert {p: v for p, v in locked(lock).items() if tested.get(p) != v} == {}


def test_the_gate_installs_no_test_frameworks() -> None:
    frameworks = {"aiogram", "memray", "mypy", "pytest-timeout", "testcontainers"}
    assert frameworks & set(locked("gate")) == set()


def test_every_direct_dependency_has_its_reason_written_down() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*project["project"]["optional-dependencies"].values()]
    groups += project["dependency-groups"].values()
    direct = {re.split(r"[>=<\[; ]", wanted)[0] for group in groups for wanted in group}
    page = (ROOT / "docs" / "dependencies.md").read_text().lower()
    stubs = {name for name in direct if name.startswith("types-")}
    assert {name for name in direct - stubs if name.lower() not in page} == set()


def test_lock_files_name_no_package_index() -> None:
    """An index may be a private mirror; the hashes say what to install, not from where."""
    for lock in (ROOT / "lock").iterdir():
        assert not re.search(r"https?://|file:", lock.read_text()), lock.name


def test_each_stage_that_installs_takes_the_index_that_is_given() -> None:
    """Docker's classic builder and Podman do not hand a build argument on to the next stage."""
    stages = re.split(r"^FROM ", (ROOT / "deploy" / "Dockerfile").read_text(), flags=re.MULTILINE)
    installing = [stage for stage in stages if "/pip " in stage]
    assert len(installing) == 3
    for stage in installing:
        before = stage.partition("/pip ")[0]
        assert "\nARG PIP_INDEX_URL\n" in before, stage.splitlines()[0]


def modules_of(package: str) -> dict[str, Path]:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, modules: Collection[str]) -> Iterator[str]:
    """Every module of ours that a file imports, in functions and for types alone as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in modules:
                    yield full
                elif node.module in modules:
                    yield node.module


def cycle_in(graph: Mapping[str, Collection[str]]) -> list[str]:
    """The parts of one cycle, the first one again at the end; empty where there is none."""
    done: set[str] = set()

    def follow(part: str, way: list[str]) -> list[str]:
        if part in way:
            return [*way[way.index(part) :], part]
        if part not in done:
            for other in sorted(graph.get(part, ())):
                if found := follow(other, [*way, part]):
                    return found
            done.add(part)
        return []

    return next((found for part in sorted(graph) if (found := follow(part, []))), [])


def parts_and_imports(package: str) -> dict[str, dict[str, set[str]]]:
    """By package: its modules and subpackages, each with those beside it that it imports."""
    modules = modules_of(package)
    graphs: dict[str, dict[str, set[str]]] = {}
    for name, path in modules.items():
        for other in imports_of(path, modules):
            mine, theirs = name.split("."), other.split(".")
            same = next(
                (n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), None
            )
            if same is not None:  # else one is the package that the other one is in
                graph = graphs.setdefault(".".join(mine[:same]), {})
                graph.setdefault(mine[same], set()).add(theirs[same])
    return graphs


@pytest.mark.parametrize("package", ["reference_bot", "botproof"])
def test_no_package_or_module_depends_on_one_that_depends_on_it(package: str) -> None:
    graphs = parts_and_imports(package)
    assert graphs
    cycles = {inside: cycle_in(graph) for inside, graph in graphs.items()}
    assert {inside: " -> ".join(cycle) for inside, cycle in cycles.items() if cycle} == {}


def test_a_cycle_is_found_and_named() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": {"d"}}) == []


def private_parts_of(library: str, source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            if parts[0] == library and any(part.startswith("_") for part in parts):
                yield f"{source.name}:{node.lineno} from {node.module}"
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            holder = node.value
            mine = isinstance(holder, ast.Name) and holder.id in {"self", "cls"}
            of_base = isinstance(holder, ast.Call) and ast.unparse(holder) == "super()"
            if not (mine or of_base or node.attr.startswith("__")):
                yield f"{source.name}:{node.lineno} {ast.unparse(node)}"


def test_the_bot_uses_only_the_public_face_of_python_telegram_bot() -> None:
    sources = sorted((ROOT / "reference_bot" / "telegram_bot").rglob("*.py"))
    assert [each for one in sources for each in private_parts_of("telegram", one)] == []


def test_a_private_part_of_a_library_is_found(tmp_path: Path) -> None:
    source = tmp_path / "uses.py"
    source.write_text(
        "from telegram._utils.types import ODVInput\nfrom telegram.ext import ExtBot\n"
        "async def go(bot: ExtBot) -> None:\n    await bot._request[0].shutdown()\n"
    )
    found = list(private_parts_of("telegram", source))
    assert found == ["uses.py:1 from telegram._utils.types", "uses.py:4 bot._request"]


@pytest.mark.parametrize("package", ["reference_bot", "botproof", "load"])
def test_only_a_public_face_lists_its_names(package: str) -> None:
    """A module that hands on what others define says so; elsewhere an underscore tells enough."""
    faces, own = 0, []
    for path in (ROOT / package).rglob("*.py"):
        body = ast.parse(path.read_text()).body
        imports = [node for node in body if isinstance(node, ast.ImportFrom)]
        taken = {alias.asname or alias.name for node in imports for alias in node.names}
        for node in body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                faces += 1
                if not taken & set(ast.literal_eval(node.value)):
                    own.append(str(path.relative_to(ROOT)))
    assert faces
    assert own == []


def test_the_workflow_runs_what_ci_runs_on_every_python_that_is_promised() -> None:
    sessions = re.compile(r"nox -s ([a-z]+)")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (matrix,) = re.findall(r"session: \[(.+)\]", workflow)
    played = {*sessions.findall(workflow), *matrix.split(", ")}
    known = set(re.findall(r"(?m)^def ([a-z]+)\(job: nox", (ROOT / "noxfile.py").read_text()))
    assert set(sessions.findall((ROOT / ".ci" / "run").read_text())) <= played <= known

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    (pythons,) = re.findall(r"python: \[(.+)\]", workflow)
    assert re.findall(r"[\d.]+", pythons) == promised
