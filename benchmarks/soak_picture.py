"""Draws the memory of servers over a soak, as `serving_soak.py` stored it; `results_page.py` calls it."""

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 240, 60, 200
COLOURS = {"endpoint": "#1f77b4", "gateway": "#d62728"}


def picture(curves: dict[str, list[list[float]]]) -> str:
    """Return an SVG of MiB over requests, a line for each server."""
    most_requests = max(curve[-1][0] for curve in curves.values())
    most_mib = 1.2 * max(mib for curve in curves.values() for _, mib in curve)
    drawn = []
    for name, curve in curves.items():
        points = " ".join(
            f"{LEFT + (WIDTH - LEFT - 20) * requests / most_requests:.1f},{BOTTOM - (BOTTOM - 20) * mib / most_mib:.1f}"
            for requests, mib in curve[:: max(1, len(curve) // 120)]
        )
        x, y = points.split()[0].split(",")
        drawn.append(f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="1.5" points="{points}"/>')
        drawn.append(f'<text x="{float(x) + 8}" y="{float(y) - 8}" fill="{COLOURS[name]}">{name}</text>')
    for mib in range(0, int(most_mib), 200):
        y = BOTTOM - (BOTTOM - 20) * mib / most_mib
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mib}</text>')
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
    drawn.append(f'<text x="{LEFT}" y="{HEIGHT - 12}">0</text>')
    end = f'x="{WIDTH - 20}" y="{HEIGHT - 12}" text-anchor="end"'
    drawn.append(f"<text {end}>{most_requests:,.0f} requests</text>")
    drawn.append('<text x="8" y="14">MiB</text>')
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *drawn, "</svg>\n"])
