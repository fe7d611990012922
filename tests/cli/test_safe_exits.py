"""A pause and a concern stand open on the command line too: without words, and without the key to seal any."""

from tests.cli.conftest import Terminal
from tests.support.programmes import WELL


async def begun(online: Terminal, *, words: str) -> str:
    """A couple with contacts in the vault, whose programme has begun."""
    programme, path = online.file()
    path.write_text(path.read_text().replace("policy: {", f"policy: {{words: {words}, "))
    await online("contact", programme, "person-1", "email=a@example.org")
    await online("start", str(path))
    answers = [f"--answer={question}=yes" for question in WELL]
    for by in ("a", "b"):
        await online("consent", programme, "--by", by)
        await online("reply", programme, f"intake.{by}1", *answers, "--by", by)
    return programme


async def stage(online: Terminal, programme: str) -> str:
    return str((await online("show", programme, "--json")).data["stage"])


async def test_a_couple_without_words_pauses_and_raises_a_concern(online: Terminal) -> None:
    programme = await begun(online, words="none")
    await online("pause", programme, "--by", "b")
    assert await stage(online, programme) == "paused"
    await online("pause", programme, "--by", "a", "--concern")


async def test_without_the_key_it_is_seen_where_things_stand_and_the_exit_stands_open(
    online: Terminal,
) -> None:
    programme = await begun(online, words="any")
    await online("note", programme, "the sea was calm", "--shared", "--by", "a")
    (online.folder / "data" / "vault.keys").unlink()
    seen = await online("show", programme, "--as", "b", "--json")
    assert "[not at hand]" in seen.out
    said = await online("pause", programme, "--by", "a", "--concern", "--reason", "because", code=1)
    assert "Without words" in said.err
    await online("pause", programme, "--by", "a", "--concern")
    assert await stage(online, programme) == "paused"
