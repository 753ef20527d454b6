/* SPDX-License-Identifier: Apache-2.0 */
/* Lines are caught by a pipe in place of stderr. The way to the journal is checked only as far as
 * it goes without one: when stderr is the journal's stream, nothing must come out of it. */
#include "common/base/log.h"

#include "common/base/text.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct capture {
    int saved_stderr, pipe_read;
    char text[8192];
};

static void capture_begin(struct capture *capture)
{
    int pair[2];

    fflush(stderr);
    assert_int_equal(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
    capture->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(dup2(pair[1], STDERR_FILENO) >= 0);
    close(pair[1]);
    capture->pipe_read = pair[0];
}

static void capture_end(struct capture *capture)
{
    ssize_t n = read(capture->pipe_read, capture->text, sizeof(capture->text) - 1);

    capture->text[n > 0 ? n : 0] = '\0';
    dup2(capture->saved_stderr, STDERR_FILENO);
    close(capture->saved_stderr);
    close(capture->pipe_read);
}

/* The line without its time; NULL if there is not exactly one line that starts with a time. */
static const char *line_after_time(const char *text)
{
    const char *newline = strchr(text, '\n');

    if (!newline || newline[1] != '\0' || strlen(text) < 25 || text[10] != 'T' || text[23] != 'Z')
        return NULL;
    return text + 25;
}

static void test_levels(void **state)
{
    static const struct {
        const char *name;
        int level;
    } cases[] = {
        {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
        {"info", LOG_INFO}, {"debug", LOG_DEBUG},
    };

    assert_int_equal(log_get_level(), LOG_INFO);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(log_level_from_string(cases[i].name), cases[i].level);
        assert_string_equal(log_level_to_string(cases[i].level), cases[i].name);
    }
    assert_int_equal(log_level_from_string("Error"), -EINVAL);
    assert_int_equal(log_level_from_string(""), -EINVAL);
    assert_string_equal(log_level_to_string(LOG_EMERG), "error");
    assert_string_equal(log_level_to_string(99), "debug");
}

static void test_line(void **state)
{
    struct capture capture;

    capture_begin(&capture);
    log_info("early %d", 1); /* before log_open(): the program's name */
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text), "info test-log: early 1\n");

    log_open("unit");
    capture_begin(&capture);
    errno = EDOM;
    log_warning("worker %s is %d", "a.1", 7);
    assert_int_equal(errno, EDOM);
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text), "warning unit: worker a.1 is 7\n");

    capture_begin(&capture);
    log_debug("not at this level");
    log_set_level(LOG_ERR);
    log_warning("nor this");
    log_set_level(LOG_INFO);
    capture_end(&capture);
    assert_string_equal(capture.text, "");
}

static void test_errno(void **state)
{
    struct capture capture;

    capture_begin(&capture);
    errno = EDOM;
    assert_int_equal(log_error_errno(ENOENT, "no file: %m"), -ENOENT);
    assert_int_equal(errno, EDOM);
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text),
                        "error unit: no file: No such file or directory\n");

    capture_begin(&capture);
    assert_int_equal(log_warning_errno(-EACCES, "%m"), -EACCES);
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text), "warning unit: Permission denied\n");

    capture_begin(&capture);
    assert_int_equal(log_debug_errno(EIO, "unseen"), -EIO); /* the value also below the level */
    capture_end(&capture);
    assert_string_equal(capture.text, "");
}

static void test_hostile_text(void **state)
{
    char longer[3 * LOG_LINE_MAX];
    struct capture capture;
    const char *line;

    capture_begin(&capture);
    log_info("name=%s", "x\nerror unit: forged\r\x1b[31m\x7f\tend");
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text),
                        "info unit: name=x error unit: forged  [31m  end\n");

    for (size_t offset = 0; offset < 4; offset++) { /* cut at each byte of a character */
        memset(longer, 'a', sizeof(longer));
        for (size_t i = offset; i + 4 < sizeof(longer) - 1; i += 4)
            memcpy(longer + i, "\xf0\x9f\x98\x80", 4);
        longer[sizeof(longer) - 1] = '\0';
        capture_begin(&capture);
        log_info("%s", longer);
        capture_end(&capture);
        line = line_after_time(capture.text) + strlen("info unit: ");
        assert_in_range(strlen(line), LOG_LINE_MAX - 3, LOG_LINE_MAX + 1);
        assert_string_equal(line + strlen(line) - 4, "...\n");
        assert_true(text_is_utf8(line, strlen(line)));
    }
    memset(longer, 'a', LOG_LINE_MAX); /* exactly as long as allowed: uncut */
    longer[LOG_LINE_MAX] = '\0';
    capture_begin(&capture);
    log_info("%s", longer);
    capture_end(&capture);
    line = line_after_time(capture.text) + strlen("info unit: ");
    assert_int_equal(strlen(line), LOG_LINE_MAX + 1);
    assert_int_equal(line[LOG_LINE_MAX - 1], 'a');
}

static void test_fields(void **state)
{
    const char *const fields[] = {"UNIT_APP=a", "UNIT_SLOT=1", NULL};
    struct capture capture;

    capture_begin(&capture);
    log_fields(LOG_NOTICE, fields, "started");
    log_fields(LOG_DEBUG, fields, "unseen");
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text), "notice unit: started\n");
}

/* JOURNAL_STREAM must name stderr itself: else somebody redirected it, and wants the lines there.
 */
static void test_target(void **state)
{
    static const struct {
        const char *before, *between, *after;
        unsigned long long inode_change;
        bool to_journal;
    } cases[] = {
        {"", ":", "", 0, true},  {"", ":", "", 1, false},  {"", ":", "x", 0, false},
        {"", " ", "", 0, false}, {"x", ":", "", 0, false},
    };
    const char *fields[LOG_FIELDS_MAX + 4] = {"_BAD=1", "lower=1", "NO_VALUE", "GOOD=1"};
    struct capture capture;

    for (size_t i = 4; i < ARRAY_SIZE(fields) - 1; i++) /* more than are taken */
        fields[i] = "MORE=1";
    fields[ARRAY_SIZE(fields) - 1] = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct stat status;
        char stream[64];

        capture_begin(&capture);
        assert_int_equal(fstat(STDERR_FILENO, &status), 0);
        snprintf(stream, sizeof(stream), "%s%llu%s%llu%s", cases[i].before,
                 (unsigned long long) status.st_dev, cases[i].between,
                 (unsigned long long) status.st_ino + cases[i].inode_change, cases[i].after);
        setenv("JOURNAL_STREAM", stream, 1);
        log_open("unit");
        log_fields(LOG_INFO, fields, "line");
        capture_end(&capture);
        if ((capture.text[0] == '\0') != cases[i].to_journal ||
            log_is_to_journal() != cases[i].to_journal)
            fail_msg("case %zu: \"%s\"", i, capture.text);
    }
    unsetenv("JOURNAL_STREAM");
    log_open("unit");
}

static void test_last_word(void **state)
{
    struct capture capture;
    struct stat status;
    char stream[64];

    capture_begin(&capture);
    log_last_word("port %d is taken\n", 80);
    capture_end(&capture);
    assert_string_equal(line_after_time(capture.text), "error unit: port 80 is taken \n");

    capture_begin(&capture);
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long) status.st_dev,
             (unsigned long long) status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("unit");
    log_last_word("port %d is taken", 80);
    capture_end(&capture);
    assert_string_equal(capture.text, "<3>port 80 is taken\n");
    unsetenv("JOURNAL_STREAM");
    log_open("unit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),    cmocka_unit_test(test_line),
        cmocka_unit_test(test_errno),     cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_target),
        cmocka_unit_test(test_last_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
