#include "cli/bench/bench.h"
enum amp_err bench_plot_write(const struct bench_report *report, const char *path)
{
    (void)report; (void)path;
    return AMP_ERR_IO;
}
