/* Two panels: latency by percentile (both axes logarithmic, so that the tail has room), and answers over time. */
#include <math.h>
#include <stdio.h>

#include "cli/bench/bench.h"

#define WIDTH           960.0
#define HEIGHT          640.0
#define LEFT            84.0
#define RIGHT           924.0
#define CURVE_POINTS    240
#define TIMELINE_POINTS 240
#define MOST_TICKS      5

struct panel {
    double top;
    double bottom;
    const char *title;
};

static const struct panel latency_panel = {124, 376, "Latency by percentile"};
static const struct panel rate_panel = {452, 588, "Answers per second over time"};

/* One style sheet for light and dark: where media queries are unknown, light is what shows. */
static const char style[] =
    "<style>\n"
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1f2933}\n"
    ".bg{fill:#ffffff}.muted{fill:#5b6673}.grid{stroke:#e3e7ec;stroke-width:1}\n"
    ".axis{stroke:#9aa5b1;stroke-width:1}.a{stroke:#2463c5}.fa{fill:#2463c5}\n"
    ".b{stroke:#0f766e}.fb{fill:#0f766e}.line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
    ".area{opacity:.12;stroke:none}.ring{fill:#ffffff;stroke-width:2}\n"
    "@media (prefers-color-scheme:dark){text{fill:#e4e8ec}.bg{fill:#12161c}.muted{fill:#98a4b3}\n"
    ".grid{stroke:#262d37}.axis{stroke:#5b6673}.a{stroke:#7db0ff}.fa{fill:#7db0ff}\n"
    ".b{stroke:#4fd1c0}.fb{fill:#4fd1c0}.ring{fill:#12161c}}\n"
    "</style>\n";

static void format_latency(char *text, size_t cap, double ns)
{
    if (ns >= 1e9)
        snprintf(text, cap, "%.3g s", ns / 1e9);
    else if (ns >= 1e6)
        snprintf(text, cap, "%.3g ms", ns / 1e6);
    else
        snprintf(text, cap, "%.3g µs", ns / 1e3);
}

static void format_count(char *text, size_t cap, double count)
{
    if (count >= 1e6)
        snprintf(text, cap, "%.3g M", count / 1e6);
    else if (count >= 1e3)
        snprintf(text, cap, "%.3g k", count / 1e3);
    else
        snprintf(text, cap, "%.3g", count);
}

/* The nearest of 1, 2, 5 times a power of ten that is not above (or not below) `value`. */
static double round_125(double value, bool up)
{
    static const double steps[] = {1, 2, 5, 10};
    const double decade = pow(10, floor(log10(value)));
    double below = decade;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (up && steps[i] * decade >= value * (1 - 1e-9))
            return steps[i] * decade;
        if (steps[i] * decade <= value * (1 + 1e-9))
            below = steps[i] * decade;
    }
    return below;
}

static double scale(double value, double from, double to, double low, double high)
{
    return low + (value - from) / (to - from) * (high - low);
}

static void grid_line(FILE *out, double y, const char *label)
{
    fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT, RIGHT, y, y);
    fprintf(out, "<text class=\"muted\" x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"end\">%s</text>\n",
            LEFT - 10, y + 4, label);
}

static void x_label(FILE *out, const struct panel *panel, double x, const char *label)
{
    fprintf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", x, x, panel->bottom,
            panel->bottom + 5);
    fprintf(out, "<text class=\"muted\" x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"middle\">%s</text>\n", x,
            panel->bottom + 20, label);
}

static void frame(FILE *out, const struct panel *panel)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"14\" font-weight=\"600\">%s</text>\n", LEFT, panel->top - 18,
            panel->title);
    fprintf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT, RIGHT, panel->bottom,
            panel->bottom);
}

/* ---- latency ---- */

/* Where the fraction q stands: every nine more is one step further to the right. */
static double nines(double q)
{
    return -log10(1 - q);
}

struct curve {
    const struct bench_histogram *latency;
    double last_nines;
    double low_ns;
    double high_ns;
};

static double curve_y(const struct curve *curve, double ns)
{
    return scale(log10(ns > 1 ? ns : 1), log10(curve->low_ns), log10(curve->high_ns), latency_panel.bottom,
                 latency_panel.top);
}

static double curve_x(const struct curve *curve, double n)
{
    return scale(n, 0, curve->last_nines, LEFT, RIGHT);
}

static double latency_at(const struct curve *curve, double n)
{
    return (double)bench_histogram_quantile(curve->latency, 1 - pow(10, -n));
}

static struct curve measure_curve(const struct bench_histogram *latency)
{
    struct curve curve = {.latency = latency};
    const double all = log10((double)latency->total);
    curve.last_nines = fmin(fmax(all, 2), 5);
    const double least = latency_at(&curve, 0);
    const double most = latency_at(&curve, curve.last_nines);
    curve.low_ns = round_125(least > 1 ? least : 1, false);
    curve.high_ns = round_125(fmax(most, curve.low_ns * 2), true);
    return curve;
}

static void draw_curve(FILE *out, const struct curve *curve, bool area)
{
    fprintf(out, "<path class=\"%s\" d=\"", area ? "area fa" : "line a");
    for (int i = 0; i <= CURVE_POINTS; i++) {
        const double n = curve->last_nines * i / CURVE_POINTS;
        fprintf(out, "%s%.1f %.1f", i == 0 ? "M" : "L", curve_x(curve, n), curve_y(curve, latency_at(curve, n)));
    }
    if (area)
        fprintf(out, "L%.1f %.1fL%.1f %.1fZ", RIGHT, latency_panel.bottom, LEFT, latency_panel.bottom);
    fprintf(out, "\"/>\n");
}

static void draw_latency(FILE *out, const struct bench_histogram *latency)
{
    static const struct {
        double q;
        const char *label;
    } marks[] = {{0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"}};
    const struct curve curve = measure_curve(latency);
    char text[32];
    frame(out, &latency_panel);
    double at_ns = curve.low_ns;
    while (at_ns <= curve.high_ns * 1.001) {
        format_latency(text, sizeof text, at_ns);
        grid_line(out, curve_y(&curve, at_ns), text);
        at_ns = round_125(at_ns * 1.5, true);
    }
    draw_curve(out, &curve, true);
    draw_curve(out, &curve, false);
    x_label(out, &latency_panel, LEFT, "0 %");
    for (size_t i = 0; i < sizeof marks / sizeof marks[0] && nines(marks[i].q) <= curve.last_nines; i++) {
        const double x = curve_x(&curve, nines(marks[i].q));
        const double ns = latency_at(&curve, nines(marks[i].q));
        const double y = curve_y(&curve, ns);
        format_latency(text, sizeof text, ns);
        x_label(out, &latency_panel, x, marks[i].label);
        fprintf(out, "<circle class=\"ring a\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x, y);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" font-weight=\"600\" text-anchor=\"end\">%s</text>\n",
                x + 10, y - 10, text); /* to the left, where a rising curve leaves room */
    }
}

/* ---- answers over time ---- */

static double slot_rate(const struct bench_result *result, size_t first, size_t width)
{
    uint64_t sum = 0;
    for (size_t i = first; i < first + width; i++)
        sum += result->timeline[i];
    return (double)sum * 1e9 / ((double)width * (double)BENCH_TIMELINE_SLOT_NS);
}

static void draw_time_axis(FILE *out, double seconds)
{
    char text[32];
    double step = round_125(seconds / MOST_TICKS, true);
    const int ticks = (int)(seconds * 1.0001 / step);
    for (int i = 0; i <= ticks; i++) {
        const double s = i * step;
        snprintf(text, sizeof text, "%.3g s", s);
        x_label(out, &rate_panel, scale(s, 0, seconds, LEFT, RIGHT), text);
    }
}

static void draw_rates(FILE *out, const struct bench_result *result)
{
    const size_t full = result->slots > 1 ? result->slots - 1 : 0; /* the last slot is cut short */
    const size_t width = full / TIMELINE_POINTS + 1;
    const size_t points = full / width;
    const double seconds = (double)(points * width) * (double)BENCH_TIMELINE_SLOT_NS / 1e9;
    double most = 1;
    char text[32];
    frame(out, &rate_panel);
    if (points < 2) {
        fprintf(out, "<text class=\"muted\" x=\"%.1f\" y=\"%.1f\" font-size=\"13\">the run was too short</text>\n",
                LEFT + 12, (rate_panel.top + rate_panel.bottom) / 2);
        return;
    }
    for (size_t i = 0; i < points; i++)
        most = fmax(most, slot_rate(result, i * width, width));
    const double step = round_125(most / MOST_TICKS, true);
    const double high = ceil(most / step) * step;
    const int lines = (int)(high * 1.0001 / step);
    for (int i = 0; i <= lines; i++) {
        const double rate = i * step;
        format_count(text, sizeof text, rate);
        grid_line(out, scale(rate, 0, high, rate_panel.bottom, rate_panel.top), text);
    }
    for (int area = 1; area >= 0; area--) {
        fprintf(out, "<path class=\"%s\" d=\"", area ? "area fb" : "line b");
        for (size_t i = 0; i < points; i++)
            fprintf(out, "%s%.1f %.1f", i == 0 ? "M" : "L", scale((double)i, 0, (double)(points - 1), LEFT, RIGHT),
                    scale(slot_rate(result, i * width, width), 0, high, rate_panel.bottom, rate_panel.top));
        if (area)
            fprintf(out, "L%.1f %.1fL%.1f %.1fZ", RIGHT, rate_panel.bottom, LEFT, rate_panel.bottom);
        fprintf(out, "\"/>\n");
    }
    draw_time_axis(out, seconds);
}

static void draw_title(FILE *out, const struct bench_report *report)
{
    const struct bench_plan *plan = report->plan;
    const struct bench_result *m = report->measured;
    const double seconds = (double)m->wall_ns / 1e9;
    char rate[32];
    format_count(rate, sizeof rate, seconds > 0 ? (double)m->requests / seconds : 0);
    fprintf(out, "<text x=\"%.1f\" y=\"44\" font-size=\"22\" font-weight=\"600\">%s: %s requests/s</text>\n", LEFT,
            bench_op_name(plan->op), rate);
    fprintf(
        out,
        "<text class=\"muted\" x=\"%.1f\" y=\"68\" font-size=\"13\">%zu connections, %zu thread%s, %s loop, %.1f s; "
        "%llu answered, %llu failed</text>\n",
        LEFT, plan->connections, plan->threads, plan->threads == 1 ? "" : "s", plan->rate > 0 ? "open" : "closed",
        seconds, (unsigned long long)m->requests, (unsigned long long)m->failed);
}

enum amp_err bench_plot_write(const struct bench_report *report, const char *path)
{
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return AMP_ERR_IO;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\">\n%s"
            "<rect class=\"bg\" width=\"%.0f\" height=\"%.0f\" rx=\"8\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, style, WIDTH, HEIGHT);
    draw_title(out, report);
    if (report->measured->latency.total > 0)
        draw_latency(out, &report->measured->latency);
    draw_rates(out, report->measured);
    fprintf(out, "</svg>\n");
    const bool failed = ferror(out) != 0;
    return fclose(out) == 0 && !failed ? AMP_OK : AMP_ERR_IO;
}
