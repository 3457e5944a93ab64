"""Prompts and candidates of several sources, merged into one table each."""

from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.data import contracts
from modelsat.data.readers.harvest import reject
from modelsat.data.remarks import Remark


def prompts(tables: list[pa.Table]) -> tuple[pa.Table, list[dict[str, object]]]:
    """Keep one row per prompt id; of two spellings the smaller text, of two questions none."""
    table = pa.concat_tables(tables)
    by_text = [("prompt_id", "ascending"), ("stem_digest", "ascending"), ("prompt", "ascending")]
    table = table.take(pc.sort_indices(table, sort_keys=[*by_text, ("benchmark", "ascending"), ("task", "ascending")]))
    ids, stems, texts = (table[name].to_pylist() for name in ("prompt_id", "stem_digest", "prompt"))
    stems_of: dict[str, set[str]] = defaultdict(set)
    for prompt_id, stem in zip(ids, stems, strict=True):
        stems_of[prompt_id].add(stem)
    keep, rejects = [], []
    for i, prompt_id in enumerate(ids):
        if len(stems_of[prompt_id]) > 1:
            reason = f"prompt id {prompt_id!r} names different questions; give each question an id of its own"
            rejects.append(reject("the prompts tables", reason, i + 1, "prompt", texts[i]))
        elif i == 0 or ids[i - 1] != prompt_id:
            keep.append(i)
    return table.take(pa.array(keep, pa.int64())), rejects


def candidates(tables: list[pa.Table]) -> tuple[pa.Table, list[str]]:
    """Merge the candidate rows of all sources; a field with contradicting values becomes null."""
    known: dict[str, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
    for table in tables:
        for row in table.to_pylist():
            for name, value in row.items():
                if value is not None and value not in known[row["candidate"]][name]:
                    known[row["candidate"]][name].append(value)
    rows, remarks = [], []
    for candidate in sorted(known):
        fields = known[candidate]
        for name in sorted(name for name, values in fields.items() if len(values) > 1):
            shown = " and ".join(sorted(map(str, fields[name])))
            remarks.append(
                Remark.FACTS_CONTRADICT.of(
                    f"the sources give candidate {candidate!r} different values of {name} ({shown}), so none is used; "
                    "correct one of them"
                )
            )
        rows.append({name: values[0] for name, values in fields.items() if len(values) == 1})
    return contracts.from_rows(rows, contracts.CANDIDATES), remarks
