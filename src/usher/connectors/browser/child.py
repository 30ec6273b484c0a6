"""The process of browser jobs: a job on stdin, JSON lines on stdout, no database, no key; one job after the other.

Lines out: `{"progress": text}`, `{"ask": "leave", "what": text}` (answered by one line `{"leave": true|false}`), and
last `{"result": {...}}` or `{"error": class, "message": ..., "contract": ..., "evidence": {...}, "wrote": bool}`, with
`"stays": true` where the process waits for another job. Jobs of one process are of one connection, share its browser,
and have a profile of their own each.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from pydantic import ValidationError

from usher.connectors.browser.job import IDLE_SECONDS, Job
from usher.connectors.browser.recipe import RecipeError, read_recipe
from usher.connectors.browser.runner import Runner
from usher.connectors.browser.session import Browser, Session, hosts_of
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


class Worker:
    """Does one job after the other; starting a browser costs more than a job in it."""

    def __init__(self) -> None:
        self._browser: Browser | None = None

    def work(self, job: Job) -> dict[str, Any]:
        """Do one job and return the last line to say."""
        recipe = read_recipe(job.recipe)
        pictures = Path(job.pictures) if job.pictures else None
        runner: Runner | None = None
        try:
            browser = self._ready(job.chromium, hosts_of((job.base_url, *recipe.origins, *recipe.sockets)))
            with Session(
                browser, job.base_url, recipe.origins, recipe.harmless_posts, pictures, recipe.sockets
            ) as session:
                session.secret_values = tuple(value for name, value in job.secrets.items() if name != "login" and value)
                runner = Runner(job, recipe, session, _ask_leave, _progress)
                said = {"result": runner.run()}
            return {**said, "stays": browser.lives}
        except (ConnectorError, NotPermitted) as error:
            wrote, refused = bool(runner and runner.wrote), bool(runner and runner.refused)
            return {**_error(error, wrote=wrote, refused=refused), "stays": not wrote and self._lives()}
        except PlaywrightError as error:
            return _error(error, wrote=bool(runner and runner.wrote), refused=bool(runner and runner.refused))

    def _ready(self, chromium: str, hosts: frozenset[str]) -> Browser:
        """The browser of the job before, where it lives and may reach the same hosts; else a new one."""
        kept = self._browser
        if kept is None or not kept.lives or (kept.chromium, kept.hosts) != (chromium, hosts):
            self.close()
            self._browser = kept = Browser(chromium, hosts)
        return kept

    def _lives(self) -> bool:
        return self._browser is not None and self._browser.lives

    def close(self) -> None:
        """End the browser."""
        if self._browser is not None:
            with contextlib.suppress(PlaywrightError):
                self._browser.close()
            self._browser = None


def _refuse(message: str) -> None:
    _say({"error": "AccessLost", "message": message, "contract": "", "evidence": {}, "wrote": False})


def _next_job() -> Job | None:
    """The next job; None where the worker wants no more, is gone, or named one that cannot be done."""
    # The worker ends a process that nobody uses; one whose worker hangs ends itself.
    signal.alarm(math.ceil(IDLE_SECONDS) + 30)
    line = sys.stdin.readline()
    if not line:
        return None
    try:
        job = Job.model_validate_json(line)
    except ValidationError as error:
        # Values are left out: some of them are secrets.
        _refuse("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)))
        return None
    # The worker ends a job at its deadline; a job whose worker is gone ends itself a little later.
    signal.alarm(math.ceil(job.deadline) + 5)
    return job


def main() -> int:
    """Do jobs, and say how each ended, until the worker wants no more."""
    worker = Worker()
    try:
        while job := _next_job():
            said = worker.work(job)
            _say(said)
            if not said.get("stays"):
                break
    except (RecipeError, BadSeed) as error:
        _refuse(str(error))
        return 2
    finally:
        worker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
