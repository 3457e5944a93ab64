"""Questions of tasks that are code, as in a third of the harness's own tasks."""


def copa_text(doc):
    """Return a premise with its connector."""
    connector = {"cause": "because", "effect": "therefore"}[doc["question"]]
    return doc["premise"].strip()[:-1] + f" {connector}"


def copa_target(doc):
    """Return the right ending."""
    return " " + copa_choice(doc)[doc["label"]].strip()


def copa_choice(doc):
    """Return both endings."""
    return [" " + doc[name][0].lower() + doc[name][1:] for name in ("choice1", "choice2")]


def blank_text(doc):
    """Return the place of the right option, as Winogrande does."""
    return int(doc["answer"]) - 1


def blank_target(doc):
    """Return what follows the blank."""
    return doc["sentence"].partition("_")[2].strip()


def blank_choice(doc):
    """Return the sentence up to the blank, with each option in it."""
    before = doc["sentence"].partition("_")[0]
    return [before + doc["option1"], before + doc["option2"]]


def passage_text(doc):
    """Return a passage of paragraphs, then the question."""
    return f"Title: {doc['title']}\n\n{doc['passage']}\n\nQ: {doc['ask']}\n\nA:"


def code_text(doc):
    """Return a function whose input is to be found, as CRUXEval does."""
    return f"{doc['code']}\n\nComplete: assert f(??) == {doc['output']}"
