"""`make demo`, as a stranger runs it with its output piped: it exits 0, says what it did, and leaves nothing behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from duologue.worker import embedded
from tests.support.servers import settings_in


@pytest.mark.timeout(180)
def test_the_demonstration_runs_from_nothing_to_the_replay(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    own = {
        "DUOLOGUE_DATA_DIR": str(settings.data_dir),
        "DUOLOGUE_SERVER_PORT": str(settings.server_port),
        "DUOLOGUE_UI_PORT": str(settings.ui_port),
        "DUOLOGUE_CODEC_PORT": str(settings.codec_port),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "duologue", "demo"],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    log = settings.data_dir / "demo-worker.log"
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}\n{log.read_text() if log.exists() else ''}"
    assert "\x1b" not in ran.stdout, "plain when piped"
    for told in (
        "refused: wrong_role",
        "killed (SIGKILL",
        "nothing is lost",
        "correct",
        "ask more",
        "was missed",
        "goes out: still_on",
        "is being booked again",
        "the programme is over: completed",
        "replays in the sandboxed workflow",
        "by their fingerprint, and all that each may see",
    ):
        assert told in ran.stdout, f"the demonstration did not tell: {told}"
    assert ran.stdout.count("goes out: still_on") == 1, "only the absent one is asked"
    assert re.search(r"sessions +2 done, 1 missed", ran.stdout)

    left = [int(found) for found in re.findall(r"process (\d+)", ran.stdout)]
    assert len(left) >= 3
    assert embedded.find(settings) is None
    for process in left:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
