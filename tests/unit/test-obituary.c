/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker's end reads. */
#include "agent/supervise/obituary.h"

#include "agent/core/snapshot.h"
#include "common/base/clock.h"
#include "common/base/macro.h"
#include "common/base/spawn.h"
#include "tests/unit/unit.h"

#include <signal.h>

static void test_print(void **state)
{
    static const struct {
        struct obituary obituary;
        const char *text;
    } cases[] = {
        {{CLD_EXITED, 0, false, 3 * USEC_PER_SEC}, "exited with status 0 after 3 s"},
        {{CLD_EXITED, 1, false, 7500 * USEC_PER_SEC}, "exited with status 1 after 2 h 5 min"},
        {{CLD_EXITED, 1, true, 0}, "exited with status 1 (out of memory) after 0 ms"},
        {{CLD_EXITED, 255, false, 350 * USEC_PER_MSEC}, "exited with status 255 after 350 ms"},
        {{CLD_EXITED, 201, false, 1000}, "exited with status 201 after 1 ms"},
        {{CLD_KILLED, SIGKILL, false, 12 * USEC_PER_SEC}, "killed by SIGKILL after 12 s"},
        {{CLD_KILLED, SIGKILL, true, 12 * USEC_PER_SEC},
         "killed by SIGKILL (out of memory) after 12 s"},
        {{CLD_DUMPED, SIGSEGV, false, USEC_PER_SEC}, "dumped core on SIGSEGV after 1 s"},
        {{CLD_KILLED, 40, false, USEC_PER_SEC}, "killed by SIGNAL of an unknown number after 1 s"},
        {{CLD_KILLED, -1, false, USEC_PER_SEC}, "killed by SIGNAL of an unknown number after 1 s"},
        {{0, 0, false, USEC_PER_SEC}, "ended, nobody saw how, after 1 s"},
        {{CLD_STOPPED, SIGSTOP, false, USEC_PER_SEC}, "ended, nobody saw how, after 1 s"},
        {{CLD_EXITED, SPAWN_EXIT_CHDIR, false, 0},
         "could not be started: 200/CHDIR, its directory can't be entered"},
        {{CLD_EXITED, SPAWN_EXIT_FDS, false, 0},
         "could not be started: 202/FDS, its descriptors could not be prepared"},
        {{CLD_EXITED, SPAWN_EXIT_EXEC, false, 0},
         "could not be started: 203/EXEC, its command can't be executed"},
        {{CLD_EXITED, SPAWN_EXIT_GROUP, false, 0},
         "could not be started: 216/GROUP, its group could not be taken"},
        {{CLD_EXITED, SPAWN_EXIT_USER, false, 0},
         "could not be started: 217/USER, its user could not be taken"},
        {{CLD_EXITED, SPAWN_EXIT_CAPABILITIES, false, 0},
         "could not be started: 218/CAPABILITIES, capabilities could not be dropped"},
        {{CLD_EXITED, SPAWN_EXIT_CGROUP, false, 0},
         "could not be started: 219/CGROUP, its cgroup could not be entered"},
        {{CLD_DUMPED, SIGABRT, false, 7500 * USEC_PER_SEC, "hung: no watchdog for 3600 s"},
         "hung: no watchdog for 3600 s; dumped core on SIGABRT after 2 h 5 min"},
        {{CLD_KILLED, SPAWN_EXIT_EXEC, false, 0},
         "killed by SIGNAL of an unknown number after 0 ms"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[160];

        assert_ptr_equal(obituary_print(&cases[i].obituary, text, sizeof(text)), text);
        assert_string_equal(text, cases[i].text);
        /* What status shows of it is not cut. */
        assert_true(strlen(text) < sizeof(((struct worker_view *) NULL)->last_exit));
    }
}

static void test_short_buffer(void **state)
{
    const struct obituary obituary = {.code = CLD_KILLED, .status = SIGKILL, .oom = true};
    char text[12];

    assert_string_equal(obituary_print(&obituary, text, sizeof(text)), "killed by S");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_short_buffer),
    };

    return cmocka_run_group_tests_name("obituary", tests, NULL, NULL);
}
