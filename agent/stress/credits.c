/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/stress/credits.h"

#include "common/base/macro.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct family {
    const char *name;
    bool unlimited; /* unless it is launched otherwise */
    double usd;     /* a vCPU-hour above the credits earned */
} families[] = {
    {"t2", false, 0.05},
    {"t3", true, 0.05},
    {"t3a", true, 0.05},
    {"t4g", true, 0.04},
};

static const struct size {
    const char *name;
    unsigned vcpus;
    double baseline_percent; /* of each vCPU */
} sizes[] =
    {
        {"nano", 2, 5},   {"micro", 2, 10},  {"small", 2, 20},   {"medium", 2, 20},
        {"large", 2, 30}, {"xlarge", 4, 40}, {"2xlarge", 8, 40},
},
  sizes_t2[] = {
      {"nano", 1, 5},   {"micro", 1, 10},    {"small", 1, 20},   {"medium", 2, 20},
      {"large", 2, 30}, {"xlarge", 4, 22.5}, {"2xlarge", 8, 17},
};
_Static_assert(ARRAY_SIZE(sizes) == ARRAY_SIZE(sizes_t2), "the same names");

static const struct family *find_family(const char *type, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (strlen(families[i].name) == length && strncmp(families[i].name, type, length) == 0)
            return &families[i];
    return NULL;
}

static const struct size *find_size(const struct family *family, const char *name)
{
    const struct size *of_family = family == &families[0] ? sizes_t2 : sizes;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (strcmp(of_family[i].name, name) == 0)
            return &of_family[i];
    return NULL;
}

/* Credits an hour. */
static double credits_of(const struct size *size, double percent)
{
    return size->vcpus * percent * 60.0 / 100.0;
}

static void print(const struct family *family, const struct size *size, const char *type,
                  unsigned load_percent, char text[CREDITS_TEXT_MAX])
{
    double earned = credits_of(size, size->baseline_percent);
    double used = credits_of(size, load_percent);
    int n = snprintf(text, CREDITS_TEXT_MAX,
                     "a %s earns %.4g CPU credits an hour; %u vCPU%s at %u %% use%s %.4g.", type,
                     earned, size->vcpus, size->vcpus > 1 ? "s" : "", load_percent,
                     size->vcpus > 1 ? "" : "s", used);

    if (used <= earned)
        snprintf(text + n, CREDITS_TEXT_MAX - (size_t) n, " That costs nothing.");
    else
        snprintf(
            text + n, CREDITS_TEXT_MAX - (size_t) n,
            " When the saved ones are spent, unlimited mode%s costs $%.2f a vCPU-hour (here up to "
            "$%.3f an hour), and standard mode%s slows the instance down to %.3g %%.",
            family->unlimited ? " (the default)" : "", family->usd,
            (used - earned) / 60.0 * family->usd, family->unlimited ? "" : " (the default)",
            size->baseline_percent);
}

const char *credits_print(const char *instance_type, unsigned load_percent,
                          char text[CREDITS_TEXT_MAX])
{
    size_t length = strcspn(instance_type, ".");
    const struct family *family = find_family(instance_type, length);
    const struct size *size =
        family && instance_type[length] ? find_size(family, instance_type + length + 1) : NULL;

    text[0] = '\0';
    if (size)
        print(family, size, instance_type, load_percent, text);
    return text;
}
