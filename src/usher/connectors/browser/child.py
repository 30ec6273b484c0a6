"""The process of one browser job: a job on stdin, JSON lines on stdout, no database, no key, and then its end.

Lines out: `{"progress": text}`, `{"ask": "leave", "what": text}` (answered by one line `{"leave": true|false}`), and
last `{"result": {...}}` or `{"error": class, "message": ..., "contract": ..., "evidence": {...}, "wrote": bool}`.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from pydantic import ValidationError

from usher.connectors.browser.job import Job
from usher.connectors.browser.recipe import RecipeError, read_recipe
from usher.connectors.browser.runner import Runner
from usher.connectors.browser.session import Session
from usher.connectors.browser.totp import BadSeed
from usher.connectors.errors import ConnectorError, InDoubt, NotPermitted


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _progress(text: str, **more: int) -> None:
    _say({"progress": text, **more})


def _ask_leave(what: str) -> bool:
    _say({"ask": "leave", "what": what})
    answer = sys.stdin.readline()
    # A worker that is gone gives no leave.
    return bool(answer) and json.loads(answer).get("leave") is True


def _error(error: BaseException, *, wrote: bool, refused: bool = False) -> dict[str, Any]:
    """The last line of a job that failed; after a write only the console's own words say that nothing was done."""
    name, message = type(error).__name__, str(error)
    evidence = dict(error.evidence) if isinstance(error, ConnectorError) else {}
    if wrote and not refused:
        name = "OutcomeUnknown"
    elif isinstance(error, PlaywrightError):
        name, message = "Transient", f"the browser failed: {message.splitlines()[0]}"
    elif isinstance(error, InDoubt):
        name = "InDoubt"
    contract = error.contract if isinstance(error, InDoubt) else ""
    return {"error": name, "message": message, "contract": contract, "evidence": evidence, "wrote": wrote}


def work(job: Job) -> dict[str, Any]:
    """Do one job and return the last line to say."""
    recipe = read_recipe(job.recipe)
    pictures = Path(job.pictures) if job.pictures else None
    runner: Runner | None = None
    try:
        with Session(
            job.chromium, job.base_url, recipe.origins, recipe.harmless_posts, pictures, recipe.sockets
        ) as session:
            session.secret_values = tuple(value for name, value in job.secrets.items() if name != "login" and value)
            runner = Runner(job, recipe, session, _ask_leave, _progress)
            return {"result": runner.run()}
    except (ConnectorError, NotPermitted, PlaywrightError) as error:
        return _error(error, wrote=bool(runner and runner.wrote), refused=bool(runner and runner.refused))


def _refuse(message: str) -> int:
    _say({"error": "AccessLost", "message": message, "contract": "", "evidence": {}, "wrote": False})
    return 2


def main() -> int:
    """Read one job, do it, say how it ended."""
    try:
        job = Job.model_validate_json(sys.stdin.readline())
        # The worker ends a job at its deadline; a job whose worker is gone ends itself a little later.
        signal.alarm(math.ceil(job.deadline) + 5)
        _say(work(job))
    except ValidationError as error:
        # Values are left out: some of them are secrets.
        return _refuse(
            "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        )
    except (RecipeError, BadSeed) as error:
        return _refuse(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
