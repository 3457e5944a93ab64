"""The model card of a registered router, Markdown: what it is, where, how good, from which data, how to load it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelsat.bundle.bundle import Bundle


@dataclass(frozen=True)
class CardFacts:
    """What a card says beside the bundle's own facts.

    Attributes:
        kind: Kind of the router, such as `reranked`.
        uri: Where the bundle is.
        model: Name of the registered model.
        line: Line of the result that holds the figures of what is registered.
    """

    kind: str
    uri: str
    model: str
    line: str


def markdown(made: Bundle, facts: CardFacts, result: Mapping[str, Any]) -> str:
    """Return the card.

    Args:
        made: The bundle that is registered.
        facts: What it does not say itself.
        result: As `steps.evaluate.as_json` gives it.
    """
    lineage = made.lineage
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {value:,.4f} |" for name, value in sorted(result["metrics"].items())
    )
    return f"""# Router between {len(made.names)} candidates

{result["verdict"]["sentence"]}

{_figures(facts.line, result)}- Kind: `{facts.kind}`
- Bundle: `{facts.uri}`, digest `{made.digest}`
- Data: {", ".join(lineage["sources"])}, digest `{lineage["data_digest"]}`
- Aptitude test: {lineage["aptitude_test"]}
- Candidates: {", ".join(made.names)}
- Withheld: {", ".join(lineage.get("withheld", {})) or "none"}

Load it with `modelsat.load("models:/{facts.model}@champion")` or, without modelsat installed,
`mlflow.pyfunc.load_model("models:/{facts.model}@champion")`. Serve it with `modelsat serve --bundle {facts.uri}`.

| held-out metric of the challenger | value |
|---|---|
{rows}

Limits: figures hold for prompts like those of the data above; scores are single answers, so part of every gap is luck.
"""


def _figures(name: str, result: Mapping[str, Any]) -> str:
    found = [line for line in result.get("lines", []) if line["name"] == name]
    if not found:
        return ""
    (line,) = found
    accuracy, gain, cost = line["accuracy"], line["gain"], line["cost_usd_per_1k"]
    spent = "unknown: a price is missing" if cost is None else f"{cost:.4f} USD per 1,000 prompts"
    return (
        f"- Accuracy: {100 * accuracy['value']:.1f} % (95 % interval {100 * accuracy['low']:.1f} to "
        f"{100 * accuracy['high']:.1f}) on {result['prompts']:,} held-out prompts\n"
        f"- Gain over the best single candidate: {100 * gain['value']:+.1f} points ({100 * gain['low']:+.1f} to "
        f"{100 * gain['high']:+.1f})\n- Cost: {spent}\n"
    )
