"""Every word and address of the console that a recipe could depend on: a skin or a drift is one changed value."""

from dataclasses import dataclass, field, replace

from twins.console.settings import Drift, Skin


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The words and addresses of one skin."""

    product: str = "Forecastly"
    area: str = "Settings"
    area_path: str = "/settings"
    users: str = "Users"
    users_path: str = "/settings/users"
    users_in_organisation: bool = False
    add_user: str = "Add user"
    add_title: str = "Add user"
    send: str = "Send invitation"
    first_name: str = "First name"
    last_name: str = "Last name"
    email: str = "Email"
    role: str = "Role"
    choose_role: str = "Choose a role"
    team: str = "Team"
    no_team: str = "No team"
    modules: str = "Modules"
    edit: str = "Edit"
    save: str = "Save changes"
    deactivate: str = "Deactivate"
    deactivate_confirm: str = "Deactivate user"
    deactivated_word: str = "deactivated"
    reactivate: str = "Reactivate"
    reactivate_confirm: str = "Reactivate user"
    reason: str = "Reason"
    cancel: str = "Cancel"
    next_page: str = "Next page"
    previous_page: str = "Previous page"
    search: str = "Search users"
    status_filter: str = "Status"
    columns: tuple[tuple[str, str], ...] = (
        ("name", "Name"),
        ("email", "Email"),
        ("role", "Role"),
        ("team", "Team"),
        ("modules", "Modules"),
        ("status", "Status"),
        ("last_active", "Last active"),
    )
    statuses: dict[str, str] = field(
        default_factory=lambda: {"Active": "Active", "Invited": "Invited", "Deactivated": "Deactivated"}
    )


FORECASTLY = Labels()
ALT = Labels(
    product="Revenue Cloud",
    area="Admin",
    area_path="/admin",
    users="User Management",
    users_path="/admin/users",
    add_user="Invite User",
    add_title="Invite User",
    send="Send invite",
    email="Email address",
    role="User type",
    choose_role="Select user type",
    team="Node",
    no_team="No node",
    modules="Licenses",
    edit="Edit user",
    save="Save",
    deactivate="Disable",
    deactivate_confirm="Disable user",
    deactivated_word="disabled",
    reactivate="Enable",
    reactivate_confirm="Enable user",
    search="Find a user",
    columns=(
        ("name", "Name"),
        ("email", "Email address"),
        ("role", "User type"),
        ("team", "Node"),
        ("modules", "Licenses"),
        ("status", "Status"),
        ("last_active", "Last login"),
    ),
    statuses={"Active": "Active", "Invited": "Pending", "Deactivated": "Disabled"},
)
SKINS = {Skin.FORECASTLY: FORECASTLY, Skin.ALT: ALT}

_GERMAN_COLUMNS = {
    "name": "Name",
    "email": "E-Mail",
    "role": "Rolle",
    "team": "Team",
    "modules": "Module",
    "status": "Status",
    "last_active": "Zuletzt aktiv",
}
_SWAPS = {"name": "email", "email": "name", "role": "status", "status": "role"}


def _german(labels: Labels) -> Labels:
    return replace(
        labels,
        area="Einstellungen",
        users="Benutzer",
        add_user="Benutzer hinzufügen",
        add_title="Benutzer hinzufügen",
        send="Einladung senden",
        first_name="Vorname",
        last_name="Nachname",
        email="E-Mail",
        role="Rolle",
        choose_role="Rolle wählen",
        no_team="Kein Team",
        modules="Module",
        edit="Bearbeiten",
        save="Änderungen speichern",
        deactivate="Deaktivieren",
        deactivate_confirm="Benutzer deaktivieren",
        deactivated_word="deaktiviert",
        reactivate="Reaktivieren",
        reactivate_confirm="Benutzer reaktivieren",
        reason="Grund",
        cancel="Abbrechen",
        next_page="Nächste Seite",
        previous_page="Vorherige Seite",
        search="Benutzer suchen",
        columns=tuple((key, _GERMAN_COLUMNS[key]) for key, _text in labels.columns),
        statuses={"Active": "Aktiv", "Invited": "Eingeladen", "Deactivated": "Deaktiviert"},
    )


def labels_for(skin: Skin, drifts: frozenset[Drift]) -> Labels:
    """Return the words and addresses of a skin after the drifts that change them."""
    labels = SKINS[skin]
    if Drift.OTHER_LANGUAGE in drifts:
        labels = _german(labels)
    if Drift.RENAMED_BUTTON in drifts:
        other = "Suspend user" if labels.deactivate_confirm == "Disable user" else "Disable user"
        labels = replace(labels, deactivate=other, deactivate_confirm=other)
    if Drift.RENAMED_COLUMN in drifts:
        names = {"status": "State", "email": "Login"}
        labels = replace(labels, columns=tuple((key, names.get(key, text)) for key, text in labels.columns))
    if Drift.SWAPPED_COLUMNS in drifts:
        texts = dict(labels.columns)
        order = [_SWAPS.get(key, key) for key, _text in labels.columns]
        labels = replace(labels, columns=tuple((key, texts[key]) for key in order))
    if Drift.MOVED_USERS_PAGE in drifts:
        labels = replace(labels, users_path=f"{labels.area_path}/organization/members", users_in_organisation=True)
    return labels
