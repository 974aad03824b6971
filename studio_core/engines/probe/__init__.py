"""Programs that ask an installed engine about itself. Each is run by path with that engine's interpreter, so it uses the
standard library and the engine only, and answers one JSON object on stdout.
"""
