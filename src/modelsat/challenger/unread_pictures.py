"""What a challenger would choose had it not read the text in pictures: held-out predictions beside its own."""

import pyarrow as pa
import pyarrow.compute as pc

from modelsat.aptitude.instructions import Instructions
from modelsat.bundle.bundle import Bundle
from modelsat.challenger.predictions import prediction_rows
from modelsat.data import list_columns, routed_texts
from modelsat.evaluation.table import CHALLENGER, UNREAD_PICTURES


def predicted(told: pa.Table, served: Bundle, instructions: Instructions) -> pa.Table:
    """Return predictions with those of the same router on prompts without the text in their pictures.

    Args:
        told: Of held-out prompts, table of the contract `PREDICTIONS`.
        served: The challenger's bundle.
        instructions: Behind it.

    Returns:
        The predictions as they are where no text was read in a picture of a held-out prompt.
    """
    mine = told.filter(pc.equal(told["router"], CHALLENGER))
    ids = mine["prompt_id"].to_pylist()
    prompts = instructions.prompts
    prompts = prompts.filter(
        pc.and_(pc.is_in(prompts["prompt_id"], value_set=pa.array(ids, pa.string())), pc.is_valid(prompts["image"]))
    )
    prompts = prompts.filter(pc.greater(pc.fill_null(pc.utf8_length(prompts["image_text"]), 0), 0))
    if not prompts.num_rows:
        return told
    place = {prompt_id: i for i, prompt_id in enumerate(ids)}
    rows = [place[prompt_id] for prompt_id in prompts["prompt_id"].to_pylist()]
    values = list_columns.matrix(mine["success_probability"], len(served.names)).copy()
    values[rows] = served.success_probability(routed_texts.of(prompts, with_pictures=False))
    return pa.concat_tables([told, prediction_rows(UNREAD_PICTURES, values, ids, served.digest)])
