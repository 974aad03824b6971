"""What TabbyAPI prints, and the options that are Studio's, as data: read in the source of e632af41 (2026-08-13).

Its start without a model and the move of its port were seen; no model was loaded here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from studio_core.engines import python_table, remedy
from studio_core.engines.engine import Milestone, Probe, Signature, cause

MILESTONES = tuple(
    Milestone(name, re.compile(pattern), percent, stage, upto) for name, percent, upto, stage, pattern in (
        ("max_seq", 5, None, "reading the configuration", r"Using (?:default|configured) max_seq_len[^:]*: \d+ tokens"),
        ("load_start", 8, None, "loading the model", r"Loading model: "),
        ("split", 9, None, "loading the model", r"Loading with (?:tensor parallel|autosplit|a manual GPU split)"),
        ("draft", 10, 20, "loading the draft model", r"Loading draft modules.*?(?P<pct>\d+)% +\d+/\d+"),
        ("vision", 10, 20, "loading the vision model", r"Loading vision modules.*?(?P<pct>\d+)% +\d+/\d+"),
        ("modules", 20, 95, "loading the model", r"Loading model modules.*?(?P<pct>\d+)% +\d+/\d+"),
        ("weights_done", 96, None, "model loaded", r"Model successfully loaded"),
        ("api", 98, None, "starting the server", r"Starting \w+ API"),
        ("ready", 100, None, "listening", r"Uvicorn running on|Application startup complete"),
    )
)

_PORT_FIX = remedy.put("let Studio choose a free port", port=None)
_PORT_HINT = "start it again: Studio chooses a free port unless the recipe names one"
_CAUSES: tuple[Signature, ...] = (
    # It would answer where nobody asks, and Studio would ask whoever holds the port.
    cause("port_moved", r"Port (?P<port>\d+) is currently in use\. Switching to (?P<new>\d+)",
          "port {port} was taken, and TabbyAPI went to {new}", _PORT_HINT, _PORT_FIX, when="lost"),
    cause("port_in_use", r"Ports \d+ and \d+ are in use|in use by different services", "the port and the next one are taken",
          _PORT_HINT, _PORT_FIX),
    cause("gpu_memory", python_table.CUDA_MEMORY + r"|Insufficient VRAM", "the GPU has too little memory",
          "set kv_cache_dtype to q8 or q4, or lower max_model_len",
          remedy.first(remedy.put("keep the KV cache in 8 bits", kv_cache_dtype="q8"), remedy.halve("max_model_len", 2048))),
    cause("model_missing", r"Could not find the model path for load|Model path .* does not exist",
          "the model's folder is not there", "correct model_path"),
    cause("bad_quantization", r"require the exllamav2 backend|exllamav2 backend is no longer supported",
          "the weights are of ExLlamaV2, which TabbyAPI gave up", "use an EXL3 or an unquantized model"),
    cause("dependencies", r"Inference dependencies for TabbyAPI are not installed|required dependencies are not installed",
          "torch or exllamav3 is missing in TabbyAPI's environment", "run its start.sh once, or: pip install '.[cu12]' there"),
)
SIGNATURES: tuple[Signature, ...] = (*_CAUSES, *python_table.SIGNATURES, *python_table.EXCEPTIONS)

# It publishes no metrics; the requests it works on are the gateway's to count.
SERIES: Mapping[str, str] = {}
# Its health does not tell of a model: without one /v1/model answers 503.
PROBES = (Probe("/health"), Probe("/v1/model", keyed=True))
# Options that Studio sets itself, and what to use instead.
OWNED: Mapping[str, str] = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--disable-auth": "each start gets a key of its own; clients use Studio's keys",
    "--model-dir": "use the recipe's field model_path",
    "--model-name": "use the recipe's field model_path",
    "--config": "Studio writes the configuration",
}
