"""Makes a model folder in the Hugging Face layout from a GGUF file: `hf_folder.py FILE.gguf FOLDER`.

Run by path with the interpreter of the vLLM environment (gguf, torch, safetensors, transformers). transformers reads
GGUF too, but keeps the weights packed and refuses to save them, so the tensors are unpacked and renamed here.
Llama architecture with tied embeddings only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import save_file
from transformers import AutoTokenizer

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def main(source: Path, folder: Path) -> None:
    reader = GGUFReader(str(source))
    config = described(reader)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    folder.mkdir(parents=True)
    save_file(tensors(reader, heads), str(folder / "model.safetensors"), metadata={"format": "pt"})
    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
    tokenizer.save_pretrained(str(folder))
    ends = {name: config[name] for name in ("bos_token_id", "eos_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(ends), "utf-8")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def described(reader: Any) -> dict[str, Any]:
    """The config.json that says what the file's header says."""
    def field(name: str) -> Any:
        return reader.fields[name].contents()

    if field("general.architecture") != "llama" or any(tensor.name == "output.weight" for tensor in reader.tensors):
        raise SystemExit("only the Llama architecture with tied embeddings")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": field("llama.attention.head_count"),
        "num_key_value_heads": field("llama.attention.head_count_kv"),
        "max_position_embeddings": field("llama.context_length"),
        "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": field("llama.rope.freq_base"),
        "vocab_size": len(reader.fields["tokenizer.ggml.tokens"].data),
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
    }


def tensors(reader: Any, heads: dict[str, int]) -> dict[str, torch.Tensor]:
    """The weights under their Hugging Face names, as bfloat16."""
    found = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        *layer, short, kind = tensor.name.split(".")
        if short in heads:
            values = unpermuted(values, heads[short])
        name = ".".join((*(("model.layers", layer[1]) if layer else ()), NAMES[short], kind))
        found[name] = torch.from_numpy(np.array(values)).to(torch.bfloat16)
    return found


def unpermuted(values: Any, heads: int) -> Any:
    """GGUF interleaves the two halves of each head's rotary dimensions; Hugging Face keeps them apart."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(values.shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
