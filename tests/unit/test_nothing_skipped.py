"""`make test` proves everything it counts: a skipped test fails, alone and spread over several processes."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="not today")
def test_by_mark():
    pass

def test_by_call():
    pytest.skip("no server here")

@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_a_skipped_test_fails_the_run_and_says_why(tmp_path: Path, processes: int) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "conftest.py").write_text("from tests.support.nothing_skipped import *\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('not_there')\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(processes), "--continue-on-collection-errors", tmp_path],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    assert "2 failed, 1 passed, 2 errors" in ran.stdout, ran.stdout
    for why in ("Skipped: not today", "Skipped: no server here", "Skipped: could not import 'not_there'"):
        assert f"nothing is skipped here, and this would be: {why}" in ran.stdout


def test_this_run_is_held_to_it(pytestconfig: pytest.Config) -> None:
    hooks = pytestconfig.pluginmanager.hook.pytest_runtest_makereport.get_hookimpls()
    assert any(hook.function.__module__ == "tests.support.nothing_skipped" for hook in hooks)
