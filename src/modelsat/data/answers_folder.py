"""The results folder of a candidate that was asked: its files and columns, for the writer and the reader alike.

asked.json        who was asked what, when, how it went and what it cost
answers.parquet   a row per answer: score, whether it could be read, tokens, cost, latency
answers.jsonl     the log, with the end of each reply
prompts.parquet   the questions, columns as in every tidy folder
models.parquet    the catalogue's facts of the candidate
README.md         what this is, and the licences of the questions
"""

import pyarrow as pa

HARNESS = "modelsat-ask"
REPORT, ANSWERS, LOG = "asked.json", "answers.parquet", "answers.jsonl"

SCHEMA = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("candidate", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("is_readable", pa.bool_(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("finish_reason", pa.string()),
        pa.field("tokens_in", pa.int32()),
        pa.field("tokens_out", pa.int32()),
        pa.field("cost_usd", pa.float64()),
        pa.field("latency_seconds", pa.float64()),
    ]
)
