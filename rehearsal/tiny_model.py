"""A tiny Llama, made on the spot: the engine is real, the words are noise.

Nothing is downloaded. Weights are random from a fixed seed, so the same files come out each time
on the same library versions. Run by the engine's own interpreter, which has torch and transformers:

    ENGINE_PYTHON -m rehearsal.tiny_model FOLDER        (with the project root on PYTHONPATH)
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

VOCABULARY = 1000
CONFIG = {
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = (
    "A model that answers from one small machine says nothing wise, but it says it over the same "
    "sockets, through the same proxy, and under the same name as the large one will. "
    "Hosts boot, drain, warm up and come back; requests wait, run, stream and end. "
)


def ensure(folder: Path, engine_python: Path) -> Path:
    """Make the model in *folder* unless it is there, and return the folder."""
    if not (folder / "model.safetensors").exists():
        folder.mkdir(parents=True, exist_ok=True)
        root = Path(__file__).resolve().parent.parent
        subprocess.run(
            [str(engine_python), "-m", "rehearsal.tiny_model", str(folder)],
            check=True,
            capture_output=True,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"},
        )
    return folder


def make(folder: Path) -> None:
    """Write config, tokenizer and weights. Needs torch, tokenizers and transformers."""
    import torch  # type: ignore[import-not-found, unused-ignore]
    from tokenizers import (  # type: ignore[import-not-found, unused-ignore]
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        trainers,
    )
    from transformers import (  # type: ignore[import-not-found, unused-ignore]
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([TEXT] * 50, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)

    torch.manual_seed(20)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG, bos_token_id=0, eos_token_id=1, pad_token_id=2))
    model.save_pretrained(folder, safe_serialization=True)
    settings = json.loads((folder / "config.json").read_text())
    print(json.dumps({"folder": str(folder), "hidden_size": settings["hidden_size"]}))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
