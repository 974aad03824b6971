"""llama.cpp's server out of the `xllamacpp` wheel, with llama-server's own command line.

`python -m studio_core.engines.llamaserver --model FILE --port N`. Run alone, it imports nothing of Studio but its table.
"""

from studio_core.engines.llamaserver.flag import spellings

__all__ = ["spellings"]
