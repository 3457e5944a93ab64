"""The picture of the README: what it costs to be as good as the best single model, from the figures of `money.py`."""

TITLE = "Cost of being as good as the best single model"
ROUTERS = {"fusion": "modelsat (fusion)", "task-classifier": "task classifier", "knn": "kNN"}
WIDTH, LEFT, ACROSS, MOST = 720, 150, 440, 120
ROW, GROUP_HEAD, GROUP_GAP, TOP = 20, 22, 14, 64
STYLE = """
  .ground { fill: #ffffff } text { fill: #1f2328 } .small { fill: #59636e } .grid { stroke: #8c959f }
  .fusion { fill: #3f51b5 } .task-classifier { fill: #9aa4d8 } .knn { fill: #c3c9d1 } .loses { fill: #b3261e }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #1e2129 } text { fill: #e6e8ee } .small { fill: #a3abba } .grid { stroke: #6b7484 }
    .fusion { fill: #8c9eff } .task-classifier { fill: #5f6ba8 } .knn { fill: #525a68 } .loses { fill: #ff8a80 }
  }
"""


def picture(sets: dict) -> str:
    """Return an SVG with a bar for each router on each set: its cost as a share of the best single model's."""
    drawn: list[str] = []
    y = TOP
    for name, table in sets.items():
        found = table["match"]["best single"]
        single = next(iter(found.values()))["single_realised_usd"]
        drawn.append(
            f'<text x="16" y="{y + 14}"><tspan font-weight="bold">{name}</tspan><tspan class="small" dx="8">'
            f"{table['prompts']:,} prompts, {table['candidates']} models; best single ${single:.2f}</tspan></text>"
        )
        y += GROUP_HEAD
        x, below = LEFT + ACROSS * 100 / MOST, y + ROW * len(ROUTERS)
        drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{y}" y2="{below}" stroke-dasharray="3 3"/>')
        for router, shown in ROUTERS.items():
            drawn += bar(router, shown, found[router], y)
            y += ROW
        y += GROUP_GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 22}" font-family="sans-serif"',
        ' font-size="13" role="img" aria-labelledby="title">',
        f'<title id="title">{TITLE}</title>',
        f"<style>{STYLE}</style>",
        '<rect class="ground" width="100%" height="100%" rx="8"/>',
        f'<text x="16" y="26" font-size="16" font-weight="bold">{TITLE}</text>',
        '<text class="small" x="16" y="46">USD per 1,000 prompts, as a share of the best single model\'s cost</text>',
    ]
    foot = f'<text class="small" x="16" y="{y + 8}">Dashed: the best single model. Red: costs more than that.</text>'
    return "\n".join([*head, *drawn, foot, "</svg>\n"])


def bar(router: str, shown: str, one: dict, y: int) -> list[str]:
    """Return the bar of one router on one set with its name and figures."""
    share = one["share"][0]
    kind = router if share < 100 else "loses"
    wide = ACROSS * min(share, MOST) / MOST
    return [
        f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{shown}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y + 2}" width="{wide:.1f}" height="{ROW - 6}" rx="2"/>',
        f'<text x="{WIDTH - 16}" y="{y + 13}" text-anchor="end">${one["realised_usd"]:.2f}, {share:.0f} %</text>',
    ]
