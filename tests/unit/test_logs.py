"""Logging: one shape for every record, bound to its programme, and never a partner's words."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, ValidationError
from temporalio import activity, workflow
from temporalio.service import RPCError, RPCStatusCode

from duologue.worker import logs
from duologue.worker.errors import ServerError

CANARY = "canary-7d1f"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()


def told(lines: io.StringIO) -> dict[str, Any]:
    (line,) = lines.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


class Said(BaseModel):
    text: str
    within: int = 0


def test_ours_and_others_have_one_shape(lines: io.StringIO) -> None:
    structlog.get_logger("ours").info("session booked", session=3)
    logging.getLogger("theirs").warning("port %d taken", 7233, extra={"session": 3})
    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    assert ours.keys() == theirs.keys() == {"event", "session", "level", "logger", "timestamp"}
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("port 7233 taken", "warning", "theirs")


def test_a_line_of_a_workflow_is_bound_to_its_programme(lines: io.StringIO) -> None:
    assert not workflow.logger.workflow_info_on_message
    assert not activity.logger.activity_info_on_message
    details = {
        "workflow_id": "programme/p1",
        "run_id": "r",
        "workflow_type": "PracticeProgramme",
        "attempt": 1,
    }
    workflow.logger.logger.info("turn", extra={"temporal_workflow": details, "session": 2})
    line = told(lines)
    assert (line["programme"], line["run_id"], line["session"]) == ("p1", "r", 2)
    assert "temporal_workflow" not in line


@pytest.mark.parametrize("key", sorted(logs.PRIVATE))
def test_keys_that_may_carry_words_are_dropped(lines: io.StringIO, key: str) -> None:
    structlog.get_logger("ours").info("x", **{key: CANARY}, deep={"list": [{key: CANARY, "kept": 1}]})
    assert CANARY not in lines.getvalue()
    assert told(lines)["deep"] == {"list": [{"kept": 1}]}


def test_what_is_no_plain_value_is_named_by_its_type(lines: io.StringIO) -> None:
    structlog.get_logger("ours").info(
        "x", said=Said(text=CANARY), several=(Said(text=CANARY), 1), raw=CANARY.encode()
    )
    logging.getLogger("theirs").debug("completion: %s of %s", Said(text=CANARY), "p1")
    logging.getLogger("theirs").debug("details %s", [CANARY.encode()])
    assert CANARY not in lines.getvalue()
    ours, theirs, _ = (json.loads(line) for line in lines.getvalue().splitlines())
    assert ours["several"] == ["<Said>", 1]
    assert theirs["event"] == "completion: <Said> of p1"


def test_an_exception_tells_where_but_not_what_was_said(lines: io.StringIO) -> None:
    def judge() -> None:
        try:
            Said.model_validate({"text": CANARY, "within": CANARY})
        except ValidationError as error:
            raise ValueError(CANARY) from error

    try:
        judge()
    except ValueError:
        logging.getLogger("theirs").exception("refused")
        structlog.get_logger("ours").exception("refused")
    assert CANARY not in lines.getvalue()
    for line in lines.getvalue().splitlines():
        text = json.loads(line)["exception"]
        assert text.startswith("builtins.ValueError\n")
        assert "in judge" in text
        assert "because of\npydantic_core._pydantic_core.ValidationError" in text


def test_an_exception_of_the_machine_tells_what_happened(lines: io.StringIO) -> None:
    for error in (
        ConnectionRefusedError(111, "refused"),
        RPCError("no such namespace", RPCStatusCode.NOT_FOUND, b""),
        ServerError("The port is taken.", "Choose another."),
    ):
        logging.getLogger("ours").error("stopped", exc_info=error)
        assert str(error) in json.loads(lines.getvalue().splitlines()[-1])["exception"]


def test_people_get_plain_lines_where_there_is_no_terminal(lines: io.StringIO) -> None:
    stream = io.StringIO()
    logs.configure("console", "info", stream)
    structlog.get_logger("ours").info("session booked", session=3)
    structlog.get_logger("ours").debug("unseen")
    assert "session booked" in stream.getvalue()
    assert "session=3" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "unseen" not in stream.getvalue()


def test_the_core_of_the_sdk_keeps_its_fields_to_itself() -> None:
    forwarding = logs.core_logging().forwarding
    assert forwarding is not None
    assert not forwarding.append_log_fields_to_message
