"""Every error of Studio, as one tree. Each says what, where and what to do.

StudioError                      500  studio_error
├── BadInput                     400  invalid_request_error
│   ├── BadRecipe                422  bad_recipe
│   ├── BadSetting               422  bad_setting
│   ├── BadValue                 422  invalid_value
│   ├── WrongMethod              405  method_not_allowed
│   └── TooLarge                 413  request_too_large
├── NotFound                     404  not_found
│   └── UnknownModel             404  model_not_found
├── Conflict                     409  conflict
│   ├── PortTaken                409  port_taken
│   ├── RecipeChanged            409  recipe_changed
│   └── SettingChanged           409  setting_changed
├── Denied                       403  permission_denied
│   └── NoKey                    401  invalid_api_key
├── TooMany                      429  too_many_requests
├── Unavailable                  503  unavailable
│   ├── OnHold                   503  on_hold
│   ├── Pinned                   503  pinned
│   ├── LaunchFailed             503  launch_failed
│   ├── Daemonless               503  no_controller
│   └── DiskFull                 507  disk_full
└── StateError                   500  state_error       the state directory or database cannot be used
    ├── StateLocked              409  state_locked
    └── StoreError               500  store_error
"""

from __future__ import annotations

from typing import Any, ClassVar


class StudioError(Exception):
    """An error that a person reads: a title, what happened, and what to do about it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "studio_error"

    def __init__(self, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return ": ".join(part for part in (self.title, self.detail) if part)

    def line(self) -> str:
        """One line for a terminal: title, detail and hint, without line breaks."""
        text = str(self) + (f" ({self.hint})" if self.hint else "")
        return " ".join(text.split())

    def body(self) -> dict[str, Any]:
        """The answer on a control path; `detail` is always a string that stands on its own."""
        return {"title": self.title, "detail": str(self), "hint": self.hint, "code": self.code}

    def openai(self, request_id: str | None = None) -> dict[str, Any]:
        """The answer under /v1, in the shape that OpenAI clients read."""
        message = str(self) + (f" Hint: {self.hint}" if self.hint else "")
        error: dict[str, Any] = {"message": message, "type": self.code, "param": None, "code": self.code}
        if self.hint:
            error["hint"] = self.hint
        if request_id:
            error["request_id"] = request_id
        return {"error": error}


class BadInput(StudioError):
    status, code = 400, "invalid_request_error"


class BadRecipe(BadInput):
    status, code = 422, "bad_recipe"


class BadSetting(BadInput):
    status, code = 422, "bad_setting"


class BadValue(BadInput):
    status, code = 422, "invalid_value"


class WrongMethod(BadInput):
    status, code = 405, "method_not_allowed"


class TooLarge(BadInput):
    status, code = 413, "request_too_large"


class NotFound(StudioError):
    status, code = 404, "not_found"


class UnknownModel(NotFound):
    code = "model_not_found"


class Conflict(StudioError):
    status, code = 409, "conflict"


class PortTaken(Conflict):
    code = "port_taken"


class RecipeChanged(Conflict):
    code = "recipe_changed"


class SettingChanged(Conflict):
    code = "setting_changed"


class Denied(StudioError):
    status, code = 403, "permission_denied"


class NoKey(Denied):
    status, code = 401, "invalid_api_key"


class TooMany(StudioError):
    status, code = 429, "too_many_requests"


class Unavailable(StudioError):
    status, code = 503, "unavailable"


class OnHold(Unavailable):
    code = "on_hold"


class Pinned(Unavailable):
    code = "pinned"


class LaunchFailed(Unavailable):
    code = "launch_failed"


class Daemonless(Unavailable):
    code = "no_controller"


class DiskFull(Unavailable):
    status, code = 507, "disk_full"


class StateError(StudioError):
    code = "state_error"


class StateLocked(StateError):
    status, code = 409, "state_locked"


class StoreError(StateError):
    code = "store_error"


def by_code(code: str) -> type[StudioError]:
    """The class with this code, as it came over a wire; StudioError for one that only a newer Studio knows."""
    return _BY_CODE.get(code, StudioError)


_BY_CODE = {
    one.code: one for one in tuple(vars().values()) if isinstance(one, type) and issubclass(one, StudioError)
}
