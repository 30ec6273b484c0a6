"""Finds an app's profile by its name: the workspace's own first, then those that come with usher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from usher.domain.located import ConfigurationError, Problem, problems_of
from usher.domain.profile import AppProfile

PACKAGED = Path(__file__).parent


class UnknownApp(LookupError):
    """No profile has this name."""


class Registry:
    """Every profile that can be used. Those of a workspace were checked when it was made.

    Those that come with usher are checked by its tests, and read here when somebody asks: that takes longer than all
    else that opening a workspace takes.
    """

    def __init__(self, profiles: Iterable[AppProfile], packaged: Mapping[str, Path] = MappingProxyType({})) -> None:
        self._profiles = {profile.app: profile for profile in profiles}
        self._packaged = packaged

    def get(self, app: str) -> AppProfile:
        """Return the profile of an app; raises UnknownApp with the names that there are."""
        if app not in self._profiles and app in self._packaged:
            self._profiles[app] = read_profile(self._packaged[app])
        try:
            return self._profiles[app]
        except KeyError:
            raise UnknownApp(f"app {app!r}: expected one of {', '.join(self.names())}") from None

    def names(self) -> tuple[str, ...]:
        """The names of all apps, sorted."""
        return tuple(sorted(self._profiles.keys() | self._packaged.keys()))


def profiles(workspace_apps: Path | None = None) -> Registry:
    """Find every profile of usher and of `workspace_apps`; the workspace's own wins where both have a name.

    Raises ConfigurationError with one line (file, line, field, what was expected) for each thing to mend.
    """
    files: list[Path] = []
    if workspace_apps is not None:
        files = [path for path in sorted(workspace_apps.glob("*.yaml")) if not _says_nothing(path)]
    found: list[AppProfile] = []
    problems: list[Problem] = []
    for path in files:
        try:
            found.append(read_profile(path))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return Registry(found, {path.parent.name: path for path in PACKAGED.glob("*/app.yaml")})


def _says_nothing(path: Path) -> bool:
    """An example file of a new workspace, all of it commented out, is no app yet."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False  # told when it is read as a profile
    return all(not line.strip() or line.lstrip().startswith("#") for line in lines)


def read_profile(path: Path) -> AppProfile:
    """Read one profile with its recipe; raises ConfigurationError. Its name is that of its folder or of its file."""
    tree = _tree(path)
    try:
        profile = AppProfile.model_validate(_plain(tree))
    except ValidationError as error:
        raise ConfigurationError(problems_of(str(path), error, tree, AppProfile)) from error
    name = path.parent.name if path.name == "app.yaml" else path.stem
    if profile.app != name:
        raise ConfigurationError([Problem(str(path), 1, "app", repr(name), repr(profile.app))])
    _check_recipe(path, tree, profile)
    return profile


def _check_recipe(path: Path, tree: Any, profile: AppProfile) -> None:
    if (profile.speaks == "browser") != (profile.recipe is not None):
        wanted = (
            "a recipe, because speaks is browser" if profile.recipe is None else "no recipe unless speaks is browser"
        )
        got = "nothing" if profile.recipe is None else "a mapping"
        raise ConfigurationError([Problem(str(path), 1, "recipe", wanted, got)])
    if profile.recipe is not None:
        from usher.connectors.browser.recipe import Recipe  # most workspaces have none, and it takes its time

        try:
            Recipe.model_validate(profile.recipe)
        except ValidationError as error:
            raise ConfigurationError(problems_of(str(path), error, tree, Recipe, at=("recipe",))) from error


def _tree(path: Path) -> Any:
    try:
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            [Problem(str(path), 1, "-", "a readable file", error.strerror or "an error")]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([Problem(str(path), 1, "-", "UTF-8 text", "other bytes")]) from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        got = getattr(error, "problem", None) or "something else"
        raise ConfigurationError([Problem(str(path), line, "-", "YAML", got)]) from error
    if not isinstance(tree, dict):
        raise ConfigurationError([Problem(str(path), 1, "-", "a mapping of fields", "something else")])
    return tree


def _plain(value: Any) -> Any:
    """The same values without what ruamel keeps beside them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value
