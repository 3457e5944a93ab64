"""The names of the remarks on results, lists and measurements: a name stays while sentences may be worded better.

A remark loses no row; what does is among the rejects. `docs/remarks.md` lists the names.
"""

from enum import StrEnum


class Remark(StrEnum):
    """What a remark is about; its value stands in brackets at the end of the sentence."""

    ANSWER_UNREADABLE = "answer-unreadable"
    AVERAGES_ONLY = "averages-only"
    CANDIDATE_NOT_JUDGED = "candidate-not-judged"
    CANDIDATE_UNANSWERED = "candidate-unanswered"
    CANDIDATE_WITHOUT_SCORES = "candidate-without-scores"
    COLUMN_NO_CANDIDATE = "column-no-candidate"
    COLUMN_NOT_READ = "column-not-read"
    COLUMN_RENAMED = "column-renamed"
    EMPTY_ANSWERS = "empty-answers"
    FACTS_CONTRADICT = "facts-contradict"
    FEEDBACK_QUARANTINED = "feedback-quarantined"
    FEEDBACK_READ = "feedback-read"
    FIGURE_NOT_READ = "figure-not-read"
    FILE_NOT_READ = "file-not-read"
    FREE_VARIANT = "free-variant"
    LIST_GOES_ON = "list-goes-on"
    MEASURES_CONTRADICT = "measures-contradict"
    MEASURES_WITHOUT_SCORE = "measures-without-score"
    MODEL_LEFT_OUT = "model-left-out"
    MODEL_MOVES = "model-moves"
    MODEL_RENAMED = "model-renamed"
    NO_ENDPOINT = "no-endpoint"
    NO_SCORE = "no-score"
    NOT_A_CANDIDATE = "not-a-candidate"
    NOT_AT_RANDOM = "not-at-random"
    NOT_TEXT = "not-text"
    PICTURES_NOT_READ = "pictures-not-read"
    POOL_LEFT_OUT = "pool-left-out"
    PRICE_UNKNOWN = "price-unknown"
    PROMPTS_SEEN = "prompts-seen"
    PROMPTS_UNKNOWN = "prompts-unknown"
    QUESTION_UNCLEAR = "question-unclear"
    RESULTS_OUT_OF_REACH = "results-out-of-reach"
    ROWS_REJECTED = "rows-rejected"
    RUN_INCOMPLETE = "run-incomplete"
    RUN_LEFT_OUT = "run-left-out"
    SCORE_REPEATED = "score-repeated"
    SCORES_SUPERSEDED = "scores-superseded"
    SCORER_CHOSEN = "scorer-chosen"
    SOURCE_WITHOUT_SCORES = "source-without-scores"
    TASK_LEFT_OUT = "task-left-out"
    TIERED_PRICE = "tiered-price"
    TRAINING_UNRECORDED = "training-unrecorded"
    VARIANTS_LEFT_OUT = "variants-left-out"

    def of(self, sentence: str) -> str:
        """Return the remark: the sentence, and this name in brackets."""
        return f"{sentence} [{self.value}]"
