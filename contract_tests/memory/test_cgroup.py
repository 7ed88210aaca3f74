"""Memory cgroups of both layouts, and the fence around the fleet where this machine allows one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from botproof.targets.cgroup import Cgroup, CgroupError, Fence, fence_problem
from botproof.targets.memory import of_container

MB = 1 << 20


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)
    return directory


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    write(tmp_path / "proc" / "42", cgroup="4:memory:/bot\n1:cpu,cpuacct:/\n0::/\n")
    write(
        tmp_path / "sys" / "memory" / "bot",
        memory__usage_in_bytes="1000\n",
        memory__max_usage_in_bytes="1500\n",
        memory__limit_in_bytes="904000000\n",
        memory__stat="cache 300\nrss 1\ninactive_file 1\ntotal_rss 500\ntotal_inactive_file 200\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    )
    return tmp_path


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    write(tmp_path / "proc" / "42", cgroup="0::/system.slice/bot.service\n")
    write(
        tmp_path / "sys" / "system.slice" / "bot.service",
        memory__current="1000\n",
        memory__peak="1500\n",
        memory__max="904000000\n",
        memory__stat="anon 500\ninactive_file 200\n",
        memory__events="low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n",
    )
    return tmp_path


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_both_layouts_give_the_same_ledger(layout: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(layout)
    found = Cgroup.of(42, proc=root / "proc", sys=root / "sys").read()
    assert (found.usage, found.working_set, found.peak) == (1_000, 800, 1_500)
    assert (found.anonymous, found.limit, found.oom_kills) == (500, 904_000_000, 3)


def test_a_process_that_has_ended_does_not_count_the_whole_machine() -> None:
    with subprocess.Popen((sys.executable, "-c", "")) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
        with pytest.raises(CgroupError, match=f"process {process.pid} has ended"):
            Cgroup.of(process.pid)


@pytest.mark.parametrize(("version", "place"), [(1, "memory/bot"), (2, "system.slice/bot.service")])
def test_a_containers_ledger_is_that_of_its_group(
    version: int, place: str, v1: Path, v2: Path
) -> None:
    assert v1 == v2  # one machine with both trees: a container's processes are nobody's to see
    found = of_container(2**22 + 1, Cgroup(v1 / "sys" / place, version))
    assert found is not None
    assert (found.working_set, found.anonymous, found.peak, found.pss) == (800, 500, 1_500, 0)
    assert of_container(2**22 + 1, Cgroup(v1 / "gone", version)) is None


def test_no_limit_and_no_peak_are_told_as_none(v1: Path, v2: Path) -> None:
    unlimited = write(v1 / "sys" / "memory" / "bot", memory__limit_in_bytes="9223372036854771712\n")
    assert Cgroup(unlimited, 1).read().limit is None
    group = write(v2 / "sys" / "system.slice" / "bot.service", memory__max="max\n")
    (group / "memory.peak").unlink()
    found = Cgroup(group, 2).read()
    assert (found.limit, found.peak) == (None, None)


def test_inside_a_container_the_tree_begins_at_its_own_group(v1: Path) -> None:
    write(v1 / "proc" / "42", cgroup="4:memory:/docker/0123456789ab\n")
    root = v1 / "sys" / "memory"
    for file in (root / "bot").iterdir():
        (root / file.name).write_bytes(file.read_bytes())
    assert Cgroup.of(42, proc=v1 / "proc", sys=v1 / "sys").read().usage == 1_000


def test_a_process_that_is_gone_or_not_accounted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CgroupError, match="No such file"):
        Cgroup.of(42, proc=tmp_path)
    write(tmp_path / "42", cgroup="0::/\n")
    write(tmp_path / "sys")
    with pytest.raises(CgroupError, match="has no memory controller"):
        Cgroup.of(42, proc=tmp_path, sys=tmp_path / "sys")


def test_where_no_group_can_be_made_the_reason_is_said(tmp_path: Path) -> None:
    assert "no memory cgroup can be made here" in fence_problem(sys=tmp_path / "nowhere")


needs_a_fence = pytest.mark.skipif(bool(fence_problem()), reason=fence_problem() or "-")


def test_fences_of_runs_that_were_killed_are_taken_down(tmp_path: Path) -> None:
    no_process = (1 << 22) + 1  # above the kernel's largest process id
    made = [Fence(each, 64 * MB, 1.0, sys=tmp_path) for each in ("polling", "play-7-1", "a-twin")]
    left = [each.parent[1:].replace(str(os.getpid()), str(no_process)) for each in made]
    kept = [f"botproof-{os.getpid()}-webhook", "botproof-rollout", f"{no_process}-polling"]
    for name in (*left, *kept):
        os.utime(write(tmp_path / name), (0, 0))
    young = write(tmp_path / f"botproof-{no_process}-young")
    with Fence("test", 64 * MB, 1.0, sys=tmp_path):
        assert not any((tmp_path / name).exists() for name in left)
    assert all((tmp_path / name).exists() for name in kept)
    assert young.exists()


def run(fence: Fence, code: str) -> subprocess.CompletedProcess[str]:
    command = [*fence.wrapper, sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs_a_fence
def test_what_stays_under_the_limit_lives_and_is_accounted() -> None:
    with Fence("test", 128 * MB, 1.0) as fence:
        done = run(fence, "kept = bytearray(40 << 20); kept[:] = b'x' * len(kept); print('fine')")
        found = fence.group.read()
    assert done.stdout == "fine\n", done.stderr
    assert found.peak is None or found.peak > 40 * MB
    assert found.limit == 128 * MB
    assert found.oom_kills == 0


@needs_a_fence
def test_what_goes_over_the_limit_is_killed_at_once_and_counted() -> None:
    with Fence("test", 64 * MB, 1.0) as fence:
        done = run(fence, "kept = [b'x' * (1 << 20) for _ in iter(int, 1)]")
        found = fence.group.read()
    assert done.returncode == -signal.SIGKILL
    assert found.oom_kills == 1


@needs_a_fence
def test_a_fence_is_taken_down_and_its_children_were_inside() -> None:
    child = "import os, subprocess, sys; print(open('/proc/self/cgroup').read())"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with Fence("test", 128 * MB, 1.0) as fence:
        assert f"/botproof-{os.getpid()}-test\n" in run(fence, code).stdout
    assert not fence.group.path.exists()
