/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean ...?": the known word that a misspelled one is nearest to. */
#include "common/schema/config-internal.h"

#include <string.h>

#define WORD_MAX 32 /* longer words are no misspelling of any key */

/* Optimal string alignment: letters inserted, dropped, changed, or two neighbours swapped. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], n = strlen(b);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++)
        above[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
            size_t drop = MIN(above[j], row[j - 1]) + 1;
            row[j] = MIN(change, drop);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        size_t *unused = before;
        before = above;
        above = row;
        row = unused;
    }
    return above[n];
}

const char *config_nearest(const char *word, const char *const candidates[], size_t n_candidates)
{
    const char *best = NULL;
    size_t best_distance = WORD_MAX;
    if (strlen(word) > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n_candidates; i++) {
        if (strlen(candidates[i]) > WORD_MAX)
            continue;
        size_t d = distance(word, candidates[i]);
        /* A third of the letters may be wrong, and at least one must be right. */
        if (d < best_distance && d <= 1 + strlen(candidates[i]) / 3 && d < strlen(candidates[i])) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
