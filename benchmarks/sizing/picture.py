"""A storm as an SVG: no library, so that anyone can draw it again."""

from collections.abc import Sequence
from typing import Final

from benchmarks.sizing.storm import Course

WIDTH, HEIGHT, LEFT, TOP, GAP = 760, 170, 80, 34, 54
COLOURS: Final = {"offered": "#c23b22", "accepted": "#1f77b4", "compactor": "#2ca02c", "sink": "#9467bd"}
POINTS: Final = 300


def svg(title: str, course: Course) -> str:
    """Offered and accepted reports/s above, what waits before compactor and sink below; time in minutes."""
    seconds = len(course.offered)
    panels = (
        ("reports/s", {"offered": course.offered, "accepted": course.accepted}),
        ("records waiting", {"compactor": course.table_waiting, "sink": course.history_waiting}),
    )
    height = TOP + len(panels) * (HEIGHT + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{LEFT + WIDTH + 20}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{title}</text>',
    ]
    for number, (name, series) in enumerate(panels):
        lines += _panel(TOP + number * (HEIGHT + GAP), name, series, seconds)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(top: int, name: str, series: dict[str, list[int]], seconds: int) -> list[str]:
    most = max(1, *(max(values, default=0) for values in series.values()))
    lines = [f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>']
    for part in (0.0, 0.5, 1.0):
        y, x = top + HEIGHT * (1 - part), LEFT + WIDTH * part
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{most * part:,.0f}</text>')
        lines.append(
            f'<text x="{x:.0f}" y="{top + HEIGHT + 16}" text-anchor="middle">{seconds / 60 * part:.0f} min</text>'
        )
    for number, (label, values) in enumerate(series.items()):
        colour = COLOURS[label]
        lines.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{_points(top, values, most)}"/>'
        )
        x, y = LEFT + 10 + 110 * number, top + 16
        lines.append(f'<text x="{x}" y="{y}" fill="{colour}">{label}</text>')
    lines.append(f'<text x="{LEFT + WIDTH - 6}" y="{top + 16}" text-anchor="end" fill="#555">{name}</text>')
    return lines


def _points(top: int, values: Sequence[int], most: int) -> str:
    """The highest of each stretch, so that no peak is lost."""
    size = max(1, len(values) // POINTS)
    stretches = [(at, max(values[at : at + size])) for at in range(0, len(values), size)]
    return " ".join(
        f"{LEFT + WIDTH * at / max(1, len(values)):.1f},{top + HEIGHT * (1 - value / most):.1f}"
        for at, value in stretches
    )
