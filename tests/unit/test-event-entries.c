/* SPDX-License-Identifier: Apache-2.0 */
/* The table of events: what the journal and its catalog need of it. */
#include "common/schema/events.h"
#include "tests/unit/unit.h"

#include <string.h>

static void test_ids_are_ids(void **state)
{
    for (const struct event_entry *a = event_entries; a->name; a++) {
        assert_int_equal(strlen(a->id), 32);
        assert_int_equal(strspn(a->id, "0123456789abcdef"), 32);
        for (const struct event_entry *b = a + 1; b->name; b++) {
            assert_string_not_equal(a->id, b->id);
            assert_true(strcmp(a->name, b->name) < 0);
        }
    }
}

/* A line that begins with "-- " would begin another entry, an empty one would end a header. */
static void test_texts_fit_a_catalog(void **state)
{
    for (const struct event_entry *entry = event_entries; entry->name; entry++) {
        assert_null(strchr(entry->subject, '\n'));
        assert_true(entry->subject[0] && entry->text[0]);
        assert_null(strstr(entry->text, "\n--"));
        assert_true(strncmp(entry->text, "--", 2) != 0);
    }
}

static void test_found_by_name(void **state)
{
    assert_string_equal(event_find("worker-died")->name, "worker-died");
    assert_string_equal(event_find("app-probe-failed")->name, event_entries[0].name);
    assert_null(event_find("worker-ready"));
    assert_null(event_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_ids),
        cmocka_unit_test(test_texts_fit_a_catalog),
        cmocka_unit_test(test_found_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
