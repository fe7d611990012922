"""Settings: where they come from, in which order, and what a wrong one says."""

from pathlib import Path

import pytest

from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "DUOLOGUE_CONFIG",
        "TEMPORAL_ADDRESS",
        "TEMPORAL_NAMESPACE",
        "TEMPORAL_API_KEY",
        "TEMPORAL_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "no-profile.toml"))


def test_defaults_name_nobody_and_nothing() -> None:
    settings = Settings.load()
    assert (settings.task_queue, settings.identity) == ("duologue", "duologue-worker")
    assert settings.retention_days == 90
    assert settings.data_dir == Path(".duologue")


def test_arguments_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "duologue.toml").write_text('task_queue = "file"\nserver_port = 1111\nui_port = 2222\n')
    monkeypatch.setenv("DUOLOGUE_SERVER_PORT", "3333")
    settings = Settings.load(ui_port=4444)
    assert (settings.task_queue, settings.server_port, settings.ui_port) == ("file", 3333, 4444)


def test_the_file_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text("retention_days = 30\n")
    monkeypatch.setenv("DUOLOGUE_CONFIG", "other.toml")
    assert Settings.load().retention_days == 30


def test_a_named_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_CONFIG", "none.toml")
    with pytest.raises(SettingsError, match=r"no settings file none\.toml.*DUOLOGUE_CONFIG"):
        Settings.load()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server_port = 99999", "DUOLOGUE_SERVER_PORT: Input should be less than or equal to 65535"),
        ("sever_port = 7233", "DUOLOGUE_SEVER_PORT: Extra inputs are not permitted"),
        ('identity = "me@host"', "DUOLOGUE_IDENTITY"),
        ("server_port = = 1", "not valid TOML.*line 1"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "duologue.toml").write_text(text)
    with pytest.raises(SettingsError, match=says) as caught:
        Settings.load()
    assert "me@host" not in str(caught.value)


def test_every_setting_is_documented() -> None:
    source = Path(Settings.__module__.replace(".", "/"))
    text = (Path(__file__).resolve().parents[2] / source).with_suffix(".py").read_text()
    for name in Settings.model_fields:
        assert text.partition(f"    {name}: ")[2].partition("\n\n")[0].count('"""') == 2, name


def test_without_an_address_the_embedded_server_is_meant() -> None:
    assert Settings.load(server_port=5555).connection() == {
        "target_host": "127.0.0.1:5555",
        "namespace": "default",
    }


def test_the_standard_variables_name_another_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "couples")
    monkeypatch.setenv("TEMPORAL_API_KEY", "key")
    assert Settings.load().connection() == {
        "target_host": "temporal.example:7233",
        "namespace": "couples",
        "api_key": "key",
        "tls": True,
    }
    assert Settings.load().connection(embedded=True)["target_host"] == "127.0.0.1:7233"


def test_a_profile_names_another_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-profile.toml").write_text('[profile.staging]\naddress = "staging:7233"\n')
    monkeypatch.setenv("TEMPORAL_PROFILE", "staging")
    assert Settings.load().connection() == {"target_host": "staging:7233", "namespace": "default"}


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nowhere")
    with pytest.raises(SettingsError, match="profile cannot be used"):
        Settings.load().connection()


@pytest.mark.parametrize(
    "line", ['api_key = "tmprl_SECRET', 'tls = "tmprl_SECRET"', "api_key = tmprl_SECRET"]
)
def test_a_profile_that_cannot_be_read_says_where_and_repeats_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(f"[profile.default]\n{line}\n")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    with pytest.raises(SettingsError, match="at line 2, column") as refused:
        Settings.load().connection()
    assert "SECRET" not in str(refused.value)
