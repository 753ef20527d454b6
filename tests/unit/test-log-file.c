/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/log-file.h"

#include "common/base/buffer.h"
#include "tests/unit/unit.h"

#include <errno.h>

struct fixture {
    char directory[PATH_MAX];
    char path[PATH_MAX];
    struct log_file *file;
    struct buffer got; /* "line|line|" */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    unit_directory_make(f->directory);
    assert_true(snprintf(f->path, sizeof(f->path), "%s/web.1.log", f->directory) < PATH_MAX);
    assert_int_equal(log_file_new(&f->file, f->directory, "web.1"), 0);
    buffer_init(&f->got, 1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    log_file_free(f->file);
    buffer_done(&f->got);
    unit_directory_remove(f->directory);
    free(f);
    return 0;
}

static void write_text(const struct fixture *f, const char *mode, const char *text)
{
    FILE *file = fopen(f->path, mode);

    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

static void on_line(void *userdata, const char *identifier, const char *line)
{
    assert_string_equal(identifier, "web.1");
    buffer_printf(userdata, "%s|", line);
}

static void expect(struct fixture *f, bool final, const char *want)
{
    buffer_clear(&f->got);
    assert_int_equal(log_file_read(f->file, final, on_line, &f->got), 0);
    assert_string_equal(f->got.data ? f->got.data : "", want);
}

static void test_tail(void **state)
{
    static const struct {
        const char *text;
        uint64_t lines;
        const char *want;
    } cases[] = {
        {"", 5, ""},
        {"one\n", 5, "one|"},
        {"one\ntwo\nthree\n", 2, "two|three|"},
        {"one\ntwo\nthree\n", 3, "one|two|three|"},
        {"one\ntwo\nthree\n", 0, ""},
        {"one\ntwo\nunfinished", 2, "two|unfinished|"},
        {"\n\n\n", 2, "||"},
        {"one\n", UINT64_MAX, "one|"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        write_text(f, "w", cases[i].text);
        assert_int_equal(log_file_open_tail(f->file, cases[i].lines), 0);
        expect(f, true, cases[i].want);
    }
}

static void test_tail_of_much(void **state)
{
    struct fixture *f = *state;
    char line[32];

    write_text(f, "w", "");
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(line, sizeof(line), "line %u\n", i);
        write_text(f, "a", line);
    }
    assert_int_equal(log_file_open_tail(f->file, 2), 0);
    expect(f, true, "line 2998|line 2999|");
    assert_int_equal(log_file_open_tail(f->file, 1000), 0);
    buffer_clear(&f->got);
    assert_int_equal(log_file_read(f->file, true, on_line, &f->got), 0);
    assert_int_equal(strncmp(f->got.data, "line 2000|", 10), 0);
}

static void test_follow(void **state)
{
    struct fixture *f = *state;
    char other[PATH_MAX + 8];

    buffer_clear(&f->got);
    assert_int_equal(log_file_open_tail(f->file, 10), -ENOENT);
    assert_int_equal(log_file_read(f->file, false, on_line, &f->got), -ENOENT);
    write_text(f, "w", "born la");
    expect(f, false, ""); /* not yet a line */
    write_text(f, "a", "ter\nnext\n");
    expect(f, false, "born later|next|");
    expect(f, false, "");
    /* rotated: what was still written to the old file comes first */
    write_text(f, "a", "last words\n");
    snprintf(other, sizeof(other), "%s.1", f->path);
    assert_int_equal(rename(f->path, other), 0);
    write_text(f, "w", "anew\n");
    expect(f, false, "last words|anew|");
    /* emptied */
    write_text(f, "w", "x\n");
    expect(f, false, "x|");
}

/* The oldest lines are dropped in place: what was read is not shown again, the rest is. */
static void test_shortened(void **state)
{
    static const struct {
        const char *before, *after, *want;
    } cases[] = {
        {"a 1\na 2\na 3\na 4\n", "a 1\na 2\na 3\na 4\n", ""},
        {"dropped, and so is what follows\n", "new\n", "new|"},
        {"x\nx\nx\nx\n", "x\n", "x|"},
    };
    struct fixture *f = *state;
    char text[1024] = "";

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        write_text(f, "w", cases[i].before);
        assert_int_equal(log_file_open_tail(f->file, 100), 0);
        assert_int_equal(log_file_read(f->file, false, on_line, &f->got), 0);
        write_text(f, "w", cases[i].after);
        expect(f, false, cases[i].want);
    }
    /* a long file: its newer half stays, and a line was added before it was looked at */
    write_text(f, "w", "");
    for (unsigned i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "line %u\n", i);
    write_text(f, "w", text);
    assert_int_equal(log_file_open_tail(f->file, 100), 0);
    assert_int_equal(log_file_read(f->file, false, on_line, &f->got), 0);
    write_text(f, "w", strstr(text, "line 50\n"));
    write_text(f, "a", "line 100\n");
    expect(f, false, "line 100|");
}

static void test_hostile(void **state)
{
    struct fixture *f = *state;
    size_t length = 3 * LOG_FILE_LINE_MAX;
    CLEANUP_FREE char *text = malloc(length + 2);
    FILE *file;

    assert_non_null(text);
    memset(text, 'a', length);
    text[0] = '\0';
    text[length] = '\n';
    file = fopen(f->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length + 1, file), length + 1);
    fclose(file);
    assert_int_equal(log_file_open_tail(f->file, 1), 0);
    buffer_clear(&f->got);
    assert_int_equal(log_file_read(f->file, true, on_line, &f->got), 0);
    assert_int_equal(f->got.data[0], '?');
    assert_true(f->got.length >= length + 3); /* in pieces, nothing lost */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail_of_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_follow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shortened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
