"""The themes: calm greys, one accent, three signals. The only place with colours; everything else names variables."""

from __future__ import annotations

from textual.theme import Theme


def _theme(name: str, quiet: str, border: str, footer: str, primary: str, surface: str, dark: bool = True, **colours: str) -> Theme:
    """`quiet` is for what is beside the point, `footer` for what its keys do. What follows from the colours is told here once."""
    variables = {
        "quiet": quiet, "border": border, "border-blurred": border, "block-cursor-text-style": "none",
        "footer-background": surface, "footer-key-foreground": primary, "footer-description-foreground": footer,
        "input-cursor-text-style": "reverse",
    }
    return Theme(name=name, primary=primary, surface=surface, dark=dark, variables=variables, **colours)  # type: ignore[arg-type]


DARK = _theme(
    "studio-dark", quiet="#8b94a3", border="#39414e", footer="#98a1b0",
    primary="#7aa6da", secondary="#8f9bb3", accent="#c9a86a", foreground="#d4d8df",
    background="#14171c", surface="#191d24", panel="#262c36",
    success="#86b97f", warning="#d8b06a", error="#dc7f7a",
)

LIGHT = _theme(
    "studio-light", quiet="#6a7280", border="#c4c6c0", footer="#5b6676", dark=False,
    primary="#2b5f9e", secondary="#5b6676", accent="#8a6414", foreground="#23272e",
    background="#fafaf7", surface="#f1f1ec", panel="#e2e3dd",
    success="#2f7038", warning="#8a5d00", error="#b03a34",
)

# For tired eyes, bad screens and bright rooms: every text at least 7:1 on its background.
CONTRAST = _theme(
    "studio-contrast", quiet="#c0c6d0", border="#8c96a6", footer="#e4e8ee",
    primary="#6ec1ff", secondary="#d0d8e4", accent="#ffd75f", foreground="#ffffff",
    background="#000000", surface="#0c0c0c", panel="#3a3a3a",
    success="#6fe56f", warning="#ffcf4d", error="#ff8f8a",
)

# For terminals with 16 colours: nothing but those, so that none is guessed.
PLAIN = _theme(
    "studio-16", quiet="#aaaaaa", border="#555555", footer="#aaaaaa",
    primary="#55ffff", secondary="#aaaaaa", accent="#ff55ff", foreground="#ffffff",
    background="#000000", surface="#000000", panel="#555555",
    success="#55ff55", warning="#ffff55", error="#ff5555",
)

ALL = (DARK, LIGHT, CONTRAST, PLAIN)
