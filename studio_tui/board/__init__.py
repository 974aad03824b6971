"""The dashboard as plain lines of text with tones: one drawing for the app, for its first frame, and for a pane of tmux.

Nothing here imports Textual or Rich: the first frame is on the screen before they are.
"""
