"""The reference of the settings tells every one of them, and its default as it is."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from duologue.worker.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/settings.md"
ROWS = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.read_text(), re.MULTILINE))


def test_every_setting_has_its_row_and_no_other_does() -> None:
    assert ROWS.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_default_is_told_as_it_is(name: str) -> None:
    default = Settings.model_fields[name].default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    written = f"{default:g}" if isinstance(default, float) else str(default)
    assert ROWS[name] == ("none" if default in (None, "") else f"`{written}`")
