"""A horizontal bar chart as SVG, by hand: no library, readable on light and on dark ground."""
import textwrap
from xml.sax.saxutils import escape

STYLE = """
    text { font: 14px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif; fill: #1f2328; }
    .title { font-size: 18px; font-weight: 600; }
    .note { font-size: 12px; fill: #59636e; }
    .value { font-weight: 600; font-variant-numeric: tabular-nums; }
    .ours { fill: #0f766e; }
    .theirs { fill: #9aa4af; }
    .rule { stroke: #d1d9e0; stroke-width: 1; }
    .spread { stroke: #1f2328; stroke-width: 1.5; opacity: .55; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .note { fill: #9198a1; }
      .ours { fill: #2dd4bf; }
      .theirs { fill: #59636e; }
      .rule { stroke: #3d444d; }
      .spread { stroke: #e6edf3; }
    }"""

WIDTH = 760
LABEL_WIDTH = 250
VALUE_WIDTH = 120
ROW = 46
BAR = 24
TOP = 76
FOOTER_LINE = 16
FOOTER_CHARS = 108  # that fit into WIDTH


def nice_step(top):
    """A round distance between grid lines, four to eight of them up to `top`."""
    step = 1e-6
    while True:
        for factor in (1, 2, 5):
            if top / (step * factor) <= 6:
                return step * factor
        step *= 10


def bar_chart(title, subtitle, unit, bars, footer):
    """SVG text. bars: [(label, detail, value, low, high, is_ours)], drawn in this order."""
    top = max(high for _, _, _, _, high, _ in bars) or 1
    span = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    lines = textwrap.wrap(footer, FOOTER_CHARS)
    height = TOP + ROW * len(bars) + 36 + FOOTER_LINE * len(lines)

    def x_of(value):
        return LABEL_WIDTH + span * value / top

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
             f"  <style>{STYLE}\n  </style>",
             f'  <text class="title" x="16" y="30">{escape(title)}</text>',
             f'  <text class="note" x="16" y="52">{escape(subtitle)}</text>']
    bottom = TOP + ROW * len(bars)
    step = nice_step(top)
    mark = 0.0
    while mark <= top:
        parts.append(f'  <line class="rule" x1="{x_of(mark):.1f}" y1="{TOP - 6}" x2="{x_of(mark):.1f}" y2="{bottom}"/>')
        parts.append(f'  <text class="note" x="{x_of(mark):.1f}" y="{bottom + 16}" text-anchor="middle">{mark:g}</text>')
        mark += step
    for index, (label, detail, value, low, high, is_ours) in enumerate(bars):
        y = TOP + ROW * index
        middle = y + BAR / 2
        parts += [
            f'  <text x="{LABEL_WIDTH - 12}" y="{middle - 1:.1f}" text-anchor="end">{escape(label)}</text>',
            f'  <text class="note" x="{LABEL_WIDTH - 12}" y="{middle + 15:.1f}" text-anchor="end">{escape(detail)}</text>',
            f'  <rect class="{"ours" if is_ours else "theirs"}" x="{LABEL_WIDTH}" y="{y}" rx="3" '
            f'width="{max(1.0, x_of(value) - LABEL_WIDTH):.1f}" height="{BAR}"/>',
            f'  <line class="spread" x1="{x_of(low):.1f}" y1="{middle}" x2="{x_of(high):.1f}" y2="{middle}"/>',
            f'  <text class="value" x="{x_of(max(value, high)) + 10:.1f}" y="{middle + 5:.1f}">{value:.1f} {escape(unit)}</text>',
        ]
    for number, line in enumerate(lines):
        y = height - 12 - FOOTER_LINE * (len(lines) - 1 - number)
        parts.append(f'  <text class="note" x="16" y="{y}">{escape(line)}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)
