"""Questions of the benchmark `sample-language`."""

from random import Random

from modelsat.data.sample.drafts import Category, Draft, alter_one, listing, near_misses
from modelsat.data.sample.words import (
    ADJECTIVES,
    LANGUAGES,
    OBJECTS,
    PAST_TENSES,
    PLURALS,
    SPELLINGS,
    SYNONYMS,
    TRANSLATIONS,
)

_WORD = "one word"


def _spelling_window(level: int) -> tuple[tuple[str, ...], ...]:
    """Return words of a length that grows with the level."""
    start = (level - 1) * (len(SPELLINGS) - 20) // 4
    return SPELLINGS[start : start + 20]


def _spelled_right(rng: Random, level: int) -> Draft:
    right, *others = rng.sample(_spelling_window(level), 4)
    # Short on purpose: the stem digest then counts the options, which carry the content.
    text = rng.choice(
        ("Which word is spelled correctly?", "Which spelling is right?", "Find the word without a mistake.")
    )
    return Draft(text, right[0], tuple(rng.choice(word[1:]) for word in others), _WORD)


def _spelled_wrong(rng: Random, level: int) -> Draft:
    wrong, *others = rng.sample(_spelling_window(level), 4)
    text = rng.choice(("Which word is misspelled?", "Which spelling is wrong?", "Find the word with a mistake."))
    return Draft(text, rng.choice(wrong[1:]), tuple(word[0] for word in others), _WORD)


def _misspelled_count(rng: Random, level: int) -> Draft:
    words = rng.sample(_spelling_window(level), 2 * level + 1)
    shown = [rng.choice(word) for word in words]
    count = sum(word[0] != form for word, form in zip(words, shown, strict=True))
    text = rng.choice(
        (
            f"How many of these words are misspelled: {listing(shown)}?",
            f"Count the spelling mistakes in this list: {', '.join(shown)}.",
            f"A pupil writes {listing(shown)}. In how many of the {len(shown)} words is there a mistake?",
        )
    )
    return Draft(text, str(count), near_misses(rng, count))


def _correction(rng: Random, level: int) -> Draft:
    right, *wrong = rng.choice(_spelling_window(level))
    text = rng.choice(
        (
            f"The word '{rng.choice(wrong)}' is misspelled. How is it written?",
            f"Correct the spelling of '{rng.choice(wrong)}'.",
            f"Somebody typed '{rng.choice(wrong)}'. Which word with the usual spelling was meant?",
        )
    )
    return Draft(text, right, (), _WORD)


def _synonym(rng: Random, level: int) -> Draft:
    group, *others = rng.sample(SYNONYMS, 4)
    asked = group[level - 1]
    answer = rng.choice([word for word in group if word != asked])
    text = rng.choice(
        (
            f"Which word means nearly the same as '{asked}'?",
            f"Which of the options could replace the word '{asked}' in most sentences?",
            f"Find the synonym of '{asked}'.",
            f"'{asked.capitalize()}' is closest in meaning to which word?",
        )
    )
    return Draft(text, answer, tuple(rng.choice(other) for other in others), _WORD)


def _odd_one_out(rng: Random, level: int) -> Draft:
    group, other = rng.sample(SYNONYMS, 2)
    words = rng.sample(group, min(5, level + 1))
    odd = other[level - 1]
    shown = [*words, odd]
    rng.shuffle(shown)
    text = rng.choice(
        (
            f"All but one of the words {listing(shown)} mean about the same. Which one does not fit?",
            f"Which word differs in meaning from the rest of this list: {', '.join(shown)}?",
            f"Find the odd one out by meaning among {listing(shown)}.",
        )
    )
    return Draft(text, odd, tuple(rng.sample(words, min(3, len(words)))), _WORD)


def _synonym_count(rng: Random, level: int) -> Draft:
    group, *others = rng.sample(SYNONYMS, 2 + 2 * level)
    asked, *rest = rng.sample(group, 1 + rng.randint(0, min(4, level + 1)))
    shown = [*rest, *(rng.choice(other) for other in others[len(rest) :])]
    rng.shuffle(shown)
    text = rng.choice(
        (
            f"How many of the words {listing(shown)} mean about the same as '{asked}'?",
            f"Count the synonyms of '{asked}' in this list: {', '.join(shown)}.",
        )
    )
    return Draft(text, str(len(rest)), near_misses(rng, len(rest)))


def _direction(rng: Random, level: int) -> tuple[int, int]:
    """Return source and target: out of English, into English, then between foreign languages."""
    a, b = rng.sample(range(1, len(LANGUAGES)), 2)
    return {1: (0, a), 2: (a, 0)}.get(level, (a, b))


def _translated_word(rng: Random, level: int) -> Draft:
    source, target = _direction(rng, level)
    word, *others = rng.sample(TRANSLATIONS, 4)
    text = rng.choice(
        (
            f"What is the {LANGUAGES[target]} word for the {LANGUAGES[source]} word '{word[source]}'?",
            f"Translate '{word[source]}' from {LANGUAGES[source]} into {LANGUAGES[target]}.",
            f"A sign says '{word[source]}' in {LANGUAGES[source]}. How would it read in {LANGUAGES[target]}?",
        )
    )
    return Draft(text, word[target], tuple(other[target] for other in others), f"{_WORD}, without an article")


def _translated_list(rng: Random, level: int) -> Draft:
    source, target = _direction(rng, level)
    words = rng.sample(TRANSLATIONS, level + 4)
    asked, spare = words[: level + 1], words[level + 1 :]
    listed = ", ".join(word[source] for word in asked)
    text = rng.choice(
        (
            f"Which line gives the {LANGUAGES[source]} words '{listed}' in {LANGUAGES[target]}?",
            f"Translate these words from {LANGUAGES[source]} into {LANGUAGES[target]}, in the same order: {listed}.",
            f"A shopping list in {LANGUAGES[source]} reads '{listed}'. What does it say in {LANGUAGES[target]}?",
        )
    )
    right = [word[target] for word in asked]
    wrong = alter_one(rng, right, [[word[target] for word in spare]] * len(asked))
    return Draft(text, ", ".join(right), wrong)


def _found_word(rng: Random, level: int) -> Draft:
    source, target = _direction(rng, level)
    words = rng.sample(TRANSLATIONS, level + 2)
    word = rng.choice(words)
    shown = [other[target] for other in words]
    text = rng.choice(
        (
            f"Which of the {LANGUAGES[target]} words {listing(shown)} translates "
            f"'{word[source]}' from {LANGUAGES[source]}?",
            f"Here are {LANGUAGES[target]} words: {', '.join(shown)}. "
            f"Find the one that translates '{word[source]}' from {LANGUAGES[source]}.",
        )
    )
    return Draft(text, word[target], (), _WORD)


_PREPOSITIONS = ("near", "behind", "beside", "under", "above", "below")
_STATES = ("missing", "for sale", "quite old", "still wet", "ready", "very expensive")


def _agreement(rng: Random, level: int) -> Draft:
    number = rng.randrange(2)
    subject, *others = rng.sample(OBJECTS, level + 1)
    phrases = " ".join(f"{rng.choice(_PREPOSITIONS)} the {rng.choice(noun)}" for noun in others)
    sentence = f"The {subject[number]} {phrases} ___ {rng.choice(_STATES)}."
    text = rng.choice(
        (
            f"Which verb completes the sentence? {sentence}",
            f"Fill the gap with the right form of 'to be' in the present tense: {sentence}",
            f"Which present form of 'to be' belongs in the gap? {sentence}",
        )
    )
    answer, other = ("is", "are") if number == 0 else ("are", "is")
    return Draft(text, answer, (other, "am", "be"), "'is' or 'are'")


def _forms(rng: Random, level: int) -> Draft:
    kind, words = rng.choice((("past tense", PAST_TENSES), ("plural", PLURALS)))
    asked = rng.sample(words, level + 1)
    listed = ", ".join(word[0] for word in asked)
    text = rng.choice(
        (
            f"Which line gives the {kind} of each of these words: {listed}?",
            f"Put the words '{listed}' into the {kind}. Which line is free of mistakes?",
        )
    )
    wrong = alter_one(rng, [word[1] for word in asked], [[word[2]] for word in asked])
    return Draft(text, ", ".join(word[1] for word in asked), wrong)


def _adjective_count(rng: Random, level: int) -> Draft:
    counts = [rng.randint(0, 2) for _ in range(level + 1)]
    adjectives = iter(rng.sample(ADJECTIVES, sum(counts)))
    nouns = iter(rng.sample(OBJECTS, level + 1))
    phrases = [" ".join(["the", *(next(adjectives) for _ in range(count)), next(nouns)[0]]) for count in counts]
    sentence = phrases[0].capitalize() + " stands " + " ".join(f"{rng.choice(_PREPOSITIONS)} {p}" for p in phrases[1:])
    text = rng.choice(
        (
            f"How many adjectives does this sentence contain? {sentence}.",
            f"Count the adjectives: {sentence}.",
        )
    )
    return Draft(text, str(sum(counts)), near_misses(rng, sum(counts)))


CATEGORIES = (
    Category("spelling", (_spelled_right, _spelled_wrong), (_misspelled_count, _correction)),
    Category("synonyms", (_synonym, _odd_one_out), (_odd_one_out, _synonym_count)),
    Category("translation", (_translated_word, _translated_list), (_translated_word, _found_word)),
    Category("grammar", (_agreement, _forms, _adjective_count), (_agreement, _adjective_count)),
)
