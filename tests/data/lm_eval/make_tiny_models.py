"""Make the two candidates of the fixtures: two-layer Llama models with a tokenizer of their own, no downloads.

`toylab/cand-a` learns three documents of four by heart, `toylab/cand-b` one of two and never the `####` that the strict
filter looks for, so that the fixtures hold right and wrong answers and filters that disagree. Run with the folder of
the tasks and the folder to write into:

    python make_tiny_models.py tasks /tmp/scratch
"""

import json
import random
import re
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LEARNED = {"cand-a": (0, 1, 2), "cand-b": (0, 2)}
"""Documents that a candidate learns: those whose number modulo 4 is listed."""

STEPS = 500


def main(tasks: Path, into: Path) -> None:
    """Train and save both candidates below `into`."""
    torch.set_num_threads(1)
    texts = [_texts(tasks / f"{name}.jsonl") for name in ("toy_facts", "toy_words", "toy_sums")]
    tokenizer = _tokenizer([text for group in texts for text in group])
    for seed, (name, learned) in enumerate(LEARNED.items()):
        known = [text for group in texts for i, text in enumerate(group) if i % 4 in learned]
        if name == "cand-b":
            known = [re.sub(r" #### [\d,]+", "", text) for text in known]
        model = _train(tokenizer, known, seed)
        for saved in (tokenizer, model):
            saved.save_pretrained(into / "toylab" / name)


def _texts(path: Path) -> list[str]:
    example = "Question: Tom reads 2 pages and then 3. How many pages?\nAnswer: 2 and 3 make 5. #### 5\n\n"
    texts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        doc = json.loads(line)
        if "answerKey" in doc:
            right = doc["choices"]["text"][doc["choices"]["label"].index(doc["answerKey"])]
            texts.append(f"Question: {doc['question']}\nAnswer: {right}")
        elif "choices" in doc:
            options = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", doc["choices"], strict=True))
            texts.append(f"{doc['question']}\n{options}\nAnswer: {'ABCD'[doc['answer']]}")
        else:
            texts.append(f"{example}Question: {doc['question']}\nAnswer: {doc['answer']}\n\nQuestion:")
    return texts


def _tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=["<end>"], initial_alphabet=sorted(alphabet))
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", bos_token="<end>", pad_token="<end>", model_max_length=512
    )


def _train(tokenizer: PreTrainedTokenizerFast, texts: list[str], seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    order = random.Random(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        batch = [torch.tensor(tokenizer(text)["input_ids"]) for text in order.sample(texts, 8)]
        ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
        lengths = torch.tensor([len(item) for item in batch])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    sys.stdout.write(f"last loss {loss.item():.3f}\n")
    return model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
