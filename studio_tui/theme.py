"""The themes: calm greys, one accent, three signals. The only place with colours; everything else names variables."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="studio-dark",
    primary="#7aa6da",
    secondary="#8f9bb3",
    accent="#c9a86a",
    foreground="#d4d8df",
    background="#14171c",
    surface="#191d24",
    panel="#262c36",
    success="#86b97f",
    warning="#d8b06a",
    error="#dc7f7a",
    dark=True,
    variables={
        "quiet": "#8b94a3",
        "border": "#39414e",
        "border-blurred": "#39414e",
        "block-cursor-text-style": "none",
        "footer-background": "#191d24",
        "footer-key-foreground": "#7aa6da",
        "footer-description-foreground": "#98a1b0",
        "input-cursor-text-style": "reverse",
    },
)

LIGHT = Theme(
    name="studio-light",
    primary="#2b5f9e",
    secondary="#5b6676",
    accent="#8a6414",
    foreground="#23272e",
    background="#fafaf7",
    surface="#f1f1ec",
    panel="#e2e3dd",
    success="#2f7038",
    warning="#8a5d00",
    error="#b03a34",
    dark=False,
    variables={
        "quiet": "#6a7280",
        "border": "#c4c6c0",
        "border-blurred": "#c4c6c0",
        "block-cursor-text-style": "none",
        "footer-background": "#f1f1ec",
        "footer-key-foreground": "#2b5f9e",
        "footer-description-foreground": "#5b6676",
        "input-cursor-text-style": "reverse",
    },
)

# For tired eyes, bad screens and bright rooms: every text at least 7:1 on its background.
CONTRAST = Theme(
    name="studio-contrast",
    primary="#6ec1ff",
    secondary="#d0d8e4",
    accent="#ffd75f",
    foreground="#ffffff",
    background="#000000",
    surface="#0c0c0c",
    panel="#3a3a3a",
    success="#6fe56f",
    warning="#ffcf4d",
    error="#ff8f8a",
    dark=True,
    variables={
        "quiet": "#c0c6d0",
        "border": "#8c96a6",
        "border-blurred": "#8c96a6",
        "block-cursor-text-style": "none",
        "footer-background": "#0c0c0c",
        "footer-key-foreground": "#6ec1ff",
        "footer-description-foreground": "#e4e8ee",
        "input-cursor-text-style": "reverse",
    },
)

# For terminals with 16 colours: nothing but those, so that none is guessed.
PLAIN = Theme(
    name="studio-16",
    primary="#55ffff",
    secondary="#aaaaaa",
    accent="#ff55ff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#555555",
    success="#55ff55",
    warning="#ffff55",
    error="#ff5555",
    dark=True,
    variables={
        "quiet": "#aaaaaa",
        "border": "#555555",
        "border-blurred": "#555555",
        "block-cursor-text-style": "none",
        "footer-background": "#000000",
        "footer-key-foreground": "#55ffff",
        "footer-description-foreground": "#aaaaaa",
        "input-cursor-text-style": "reverse",
    },
)

ALL = (DARK, LIGHT, CONTRAST, PLAIN)
