"""What the contract says may be done by hand can be done, by the real `temporal`, on what `make up` starts."""

import asyncio
import re
import shlex
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.cli.conftest import python
from tests.cli.test_up import environment, lines_until, run, started
from tests.support.servers import program, settings_in

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs/reference/contract.md").read_text()
NO_OPTION = "--codec-endpoint"


def commands() -> list[list[str]]:
    """The commands of the last section, by their words."""
    [block] = re.findall(r"```sh\n(.*?)```", CONTRACT.partition("## By hand")[2], re.DOTALL)
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]


async def temporal(words: list[str], env: dict[str, str]) -> tuple[int, str]:
    assert words[0] == "temporal"
    process = await asyncio.create_subprocess_exec(
        program("temporal"), *words[1:], env=env, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.timeout(240)
async def test_the_commands_of_the_contract_do_what_it_says(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    env = environment(settings)
    signal, update, query = commands()
    assert "http://127.0.0.1:8235" in query, "the port that is the default"
    async with started(*python(), "up", env=env) as up:
        await lines_until(up, "Ready")
        code, _, err = await run("start", str(ROOT / "examples/tutorial.yaml"), env=env)
        assert code == 0, err
        env["TEMPORAL_ADDRESS"] = f"127.0.0.1:{settings.server_port}"

        def here(words: list[str]) -> list[str]:
            return [word.replace(":8235", f":{settings.codec_port}") for word in words]

        assert await temporal(here(signal), env) == (0, "Signal workflow succeeded\n")
        code, said = await temporal(here(update), env)
        assert code == 0, said
        assert "[for the safeguarding contact only]" in said
        code, said = await temporal(here(query), env)
        assert code == 0, said
        assert '"stage":"enrolling"' in said
        assert said.count('"what":"Consented"') == 2
        # And without the codec server, as it says.
        bare = update[: update.index(NO_OPTION)]
        code, said = await temporal(bare, env)
        assert code != 0
        assert "payload encoding is not supported" in said
        code, said = await temporal(query[: query.index(NO_OPTION)], env)
        assert "enrolling" not in said
        up.terminate()
        assert await asyncio.wait_for(up.wait(), 60) == 0
