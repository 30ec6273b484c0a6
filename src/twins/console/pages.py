"""The pages of the console: read a form, ask the directory, answer with HTML; there is no other door."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twins.console.directory import Directory, NoSuchUserError, RefusedError, Status, User
from twins.console.keeping import StateFile
from twins.console.labels import labels_for
from twins.console.listing import Question, answer, relative
from twins.console.sessions import Session, Sessions
from twins.console.settings import MODULES, ROLES, ConsoleSettings, Drift

HERE = Path(__file__).parent
COOKIE = "console_session"
REASONS = ("Left the company", "Changed teams", "Duplicate account", "Other")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

Page = Callable[[Request, Session, User], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class ConsolePages:
    """All pages of one console."""

    def __init__(self, settings: ConsoleSettings, directory: Directory, state: StateFile) -> None:
        self._settings = settings
        self._directory = directory
        self._state = state
        self._sessions = Sessions(settings, directory)
        self._labels = labels_for(settings.skin, settings.drifts)
        self._visits = 0
        self._html = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[Route | Mount]:
        """Return the addresses of this skin."""
        area, users = self._labels.area_path, self._labels.users_path
        return [
            Route("/sign-in", self.sign_in, methods=["GET", "POST"]),
            Route("/sign-in/verify", self.verify, methods=["GET", "POST"]),
            Route("/sign-out", self._signed_in(self.sign_out), methods=["POST"]),
            Route("/", self._signed_in(self.home)),
            Route("/whats-new", self._signed_in(self.dismiss_whats_new), methods=["POST"]),
            Route(area, self._admin(self.overview)),
            Route(f"{area}/seats", self._admin(self.seats)),
            Route(users, self._admin(self.users)),
            Route(f"{users}/add", self._admin(self.add), methods=["GET", "POST"]),
            Route(f"{users}/edit/{{id}}", self._admin(self.edit), methods=["GET", "POST"]),
            Route(f"{users}/{{id}}/deactivate", self._admin(self.deactivate), methods=["POST"]),
            Route(f"{users}/{{id}}/reactivate", self._admin(self.reactivate), methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]

    # Guards

    def _signed_in(self, page: Page) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            session = self._sessions.find(request.cookies.get(COOKIE))
            if session is None:
                return RedirectResponse("/sign-in", 303)
            if not session.verified:
                return RedirectResponse("/sign-in/verify", 303)
            if request.method == "POST":
                form = await request.form()
                if form.get("form_token") != session.form_token:
                    raise HTTPException(403, "This form is out of date. Go back, reload the page and try again.")
            return await page(request, session, self._directory.get(session.user_id))

        return endpoint

    def _admin(self, page: Page) -> Endpoint:
        async def for_admins(request: Request, session: Session, me: User) -> Response:
            if me.role != "Admin":
                raise HTTPException(403, f"{self._labels.area} is for Admins. Ask an Admin of your workspace.")
            return await page(request, session, me)

        return self._signed_in(for_admins)

    # Signing in

    async def sign_in(self, request: Request) -> Response:
        """Ask for e-mail and password."""
        if request.method == "GET":
            return self._plain(request, "sign_in.html", error=None, email="")
        form = await request.form()
        email = _text(form, "email")
        session = self._sessions.start(email, _text(form, "password"))
        if session is None:
            return self._plain(request, "sign_in.html", 401, error="Incorrect e-mail or password.", email=email)
        answer = RedirectResponse("/" if session.verified else "/sign-in/verify", 303)
        answer.set_cookie(COOKIE, session.token, httponly=True, samesite="lax")
        return answer

    async def verify(self, request: Request) -> Response:
        """Ask for the second factor."""
        session = self._sessions.find(request.cookies.get(COOKIE))
        if session is None:
            return RedirectResponse("/sign-in", 303)
        if session.verified:
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return self._plain(request, "verify.html", error=None)
        if not self._sessions.verify(session, _text(await request.form(), "code")):
            return self._plain(request, "verify.html", 401, error="That code is not valid. Try the next one.")
        return RedirectResponse("/", 303)

    async def sign_out(self, request: Request, session: Session, me: User) -> Response:
        """End this session."""
        self._sessions.end(session)
        return RedirectResponse("/sign-in", 303)

    # Pages

    async def home(self, request: Request, session: Session, me: User) -> Response:
        """Show how many people each team has."""
        people = [user for user in self._directory.users() if user.status is not Status.DEACTIVATED]
        teams = sorted(Counter(user.team or self._labels.no_team for user in people).items())
        active = sum(user.status is Status.ACTIVE for user in people)
        return self._shell(request, session, me, "home.html", teams=teams, people=len(people), active=active)

    async def overview(self, request: Request, session: Session, me: User) -> Response:
        """Show the facts of the workspace."""
        counts = Counter(user.status for user in self._directory.users())
        shown = [(self._labels.statuses[status], counts[status]) for status in Status]
        return self._shell(request, session, me, "overview.html", counts=shown)

    async def seats(self, request: Request, session: Session, me: User) -> Response:
        """Show the seats of each module."""
        return self._shell(request, session, me, "seats.html", seats=self._directory.seats())

    async def users(self, request: Request, session: Session, me: User) -> Response:
        """Show one page of the list."""
        asked = dict(request.query_params)
        question = _question(asked)
        if Drift.RESORT_BETWEEN in self._settings.drifts and not {"page", "sort"} & asked.keys():
            self._visits += 1
            question = _question({**asked, "sort": "asc" if self._visits % 2 else "desc"})
        return self._users_page(request, session, me, question)

    async def add(self, request: Request, session: Session, me: User) -> Response:
        """Invite a user."""
        if request.method == "GET":
            return RedirectResponse(self._labels.users_path, 303)
        form = await request.form()
        entered = {key: _text(form, key) for key in ("first_name", "last_name", "email", "role", "team")}
        modules = [str(module) for module in form.getlist("modules")]
        back = _back(form)

        def create() -> None:
            self._directory.create(me.email, **entered, modules=modules)

        try:
            return self._change(request, session, create, f"Invitation sent to {entered['email']}.", back)
        except RefusedError as refusal:
            return self._users_page(
                request, session, me, back, {**entered, "modules": modules}, {refusal.field: refusal.message}
            )

    async def edit(self, request: Request, session: Session, me: User) -> Response:
        """Show and change role, team and modules of one user."""
        user = self._user(request)
        if request.method == "GET":
            return self._edit_page(request, session, me, user)
        form = await request.form()
        modules = [str(module) for module in form.getlist("modules")]
        role, team = _text(form, "role"), _text(form, "team")

        def update() -> None:
            self._directory.update(me.email, user.id, role=role, team=team, modules=modules)

        try:
            return self._change(request, session, update, f"Changes to {user.name} saved.", Question())
        except RefusedError as refusal:
            return self._edit_page(request, session, me, user, {refusal.field: refusal.message})

    async def deactivate(self, request: Request, session: Session, me: User) -> Response:
        """Take a user's access away."""
        user = self._user(request)
        form = await request.form()

        def deactivate() -> None:
            self._directory.deactivate(me.email, user.id, _text(form, "reason"))
            self._sessions.end_all_of(user.id)

        done = f"{user.name} was {self._labels.deactivated_word}."
        return self._change_in_list(request, session, deactivate, done, _back(form))

    async def reactivate(self, request: Request, session: Session, me: User) -> Response:
        """Give a user access again."""
        user = self._user(request)

        def reactivate() -> None:
            self._directory.reactivate(me.email, user.id)

        done = f"{user.name} has access again."
        return self._change_in_list(request, session, reactivate, done, _back(await request.form()))

    async def dismiss_whats_new(self, request: Request, session: Session, me: User) -> Response:
        """Do not show the What's new dialog to this user again."""
        self._state.greet(me.id)
        target = _text(await request.form(), "next")
        inside = target.startswith("/") and not target.startswith(("//", "/\\"))
        return RedirectResponse(target if inside else "/", 303)

    async def problem(self, request: Request, error: Exception) -> Response:
        """Answer a refused or unknown address with a page."""
        code, text = 404, "This page does not exist, or it has moved."
        if isinstance(error, HTTPException) and error.status_code != 404:
            code, text = error.status_code, error.detail
        return self._plain(request, "problem.html", code, code=code, text=text)

    # Changes

    def _change(
        self, request: Request, session: Session, change: Callable[[], None], done: str, back: Question
    ) -> Response:
        """Carry a change out, unless a drift says otherwise, and return to the list with a toast."""
        if Drift.TOAST_WITHOUT_EFFECT not in self._settings.drifts:
            change()
        if Drift.ERROR_AFTER_EFFECT in self._settings.drifts:
            return self._plain(request, "problem.html", 500, code=500, text="Something went wrong on our side.")
        session.toast = done
        return RedirectResponse(_with_query(self._labels.users_path, back), 303)

    def _change_in_list(
        self, request: Request, session: Session, change: Callable[[], None], done: str, back: Question
    ) -> Response:
        try:
            return self._change(request, session, change, done, back)
        except RefusedError as refusal:
            session.error = refusal.message
            return RedirectResponse(_with_query(self._labels.users_path, back), 303)

    def _user(self, request: Request) -> User:
        return self._directory.get(request.path_params["id"])

    # Rendering

    def _users_page(
        self,
        request: Request,
        session: Session,
        me: User,
        question: Question,
        entered: dict[str, Any] | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        now = datetime.now(UTC)
        hide = Drift.DEACTIVATED_VANISH in self._settings.drifts
        page = answer(question, self._directory.listed(), hide_deactivated=hide)
        # The list may lag, but a row's menu offers what the list shows, as consoles with a stale list do.
        return self._shell(
            request,
            session,
            me,
            "users.html",
            422 if errors else 200,
            page=page,
            question=question,
            back=question.query(),
            cells={user.id: self._cells(user, now) for user in page.rows},
            entered=entered or {"modules": []},
            errors=errors or {},
            seats=self._directory.seats(),
            reasons=REASONS,
            **self._choices(),
        )

    def _cells(self, user: User, now: datetime) -> dict[str, str]:
        return {
            "name": user.name,
            "email": user.email,
            "role": user.role,
            "team": user.team or "—",
            "modules": ", ".join(user.modules) or "—",
            "status": self._labels.statuses[user.status],
            "last_active": relative(user.last_active, now),
        }

    def _edit_page(
        self, request: Request, session: Session, me: User, user: User, errors: dict[str, str] | None = None
    ) -> Response:
        cells = self._cells(user, datetime.now(UTC))
        return self._shell(
            request,
            session,
            me,
            "edit.html",
            422 if errors else 200,
            user=user,
            cells=cells,
            errors=errors or {},
            seats=self._directory.seats(),
            **self._choices(),
        )

    def _choices(self) -> dict[str, Any]:
        return {"roles": ROLES, "teams": self._directory.teams(), "all_modules": MODULES, "statuses": list(Status)}

    def _shell(
        self, request: Request, session: Session, me: User, template: str, status: int = 200, **values: Any
    ) -> Response:
        toast, error = session.take_messages()
        return self._plain(
            request,
            template,
            status,
            me=me,
            form_token=session.form_token,
            toast=toast,
            alert=error,
            whats_new=self._settings.whats_new and not self._state.greeted(me.id),
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            **values,
        )

    def _plain(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        drifts = {str(drift) for drift in self._settings.drifts}
        body = self._html.get_template(template).render(
            labels=self._labels, path=request.url.path, drifts=drifts, **values
        )
        return Response(body, status, HEADERS, "text/html")


def _text(form: FormData, key: str) -> str:
    value = form.get(key, "")
    return value if isinstance(value, str) else ""


def _question(asked: dict[str, str]) -> Question:
    page = asked.get("page", "1")
    return Question(
        search=asked.get("q", "")[:100],
        status=asked.get("status", "") if asked.get("status") in list(Status) else "",
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        descending=asked.get("sort") == "desc",
    )


def _back(form: FormData) -> Question:
    return _question(dict(parse_qsl(_text(form, "back"))))


def _with_query(path: str, question: Question) -> str:
    query = question.query()
    return f"{path}?{query}" if query else path


def console_app(settings: ConsoleSettings, directory: Directory, state: StateFile) -> Starlette:
    """Return the console as an ASGI app."""
    pages = ConsolePages(settings, directory, state)
    return Starlette(
        routes=pages.routes(), exception_handlers={HTTPException: pages.problem, NoSuchUserError: pages.problem}
    )
