/* SPDX-License-Identifier: Apache-2.0 */
/* The board's bodies for DynamoDB, the reading of its items, and the walk through the days. */
#include "tests/unit/unit.h"

#include "apps/visitor-board/dynamodb-walk.h"
#include "common/aws/dynamodb.h"

#include <errno.h>

#define NOW_S UINT64_C(1795300000) /* 2026-11-21T22:26:40Z */

static const struct items items = {.table = "t", .board = "b"};

static struct json_object *parse(const char *text)
{
    struct json_object *object = NULL;

    if (json_parse(text, strlen(text), &object) < 0)
        fail_msg("no JSON: %s", text);
    return object;
}

/* --- names ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    static const char *const good[] = {"a", "main", "A-b_c.9"};
    static const char *const bad[] = {"",
                                      "a#b",
                                      "a b",
                                      "\xc3\xa4",
                                      "a/b",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                      "aaaaa"};
    static const char *const no_days[] = {"", "2026", "2026-11-2", "2026/11/21", "abcd-ef-gh"};
    char day[ITEMS_DAY_SIZE], key[ITEMS_SORT_KEY_MAX];
    struct message message = {"id", "x", "2026-11-21T22:25:16.123Z", "i"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(items_is_board_name(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(items_is_board_name(bad[i]));
    for (size_t i = 0; i < ARRAY_SIZE(no_days); i++)
        assert_false(items_day(day, no_days[i]));
    assert_true(items_day(day, "2026-11-21T22:25:16.123Z"));
    assert_string_equal(day, "2026-11-21");
    assert_true(items_sort_key(key, &message));
    assert_string_equal(key, "2026-11-21T22:25:16.123Z#id");
    message.id = "i d";
    assert_false(items_sort_key(key, &message));
    message.id =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_false(items_sort_key(key, &message));
}

/* --- a transaction --------------------------------------------------------------------------- */

static struct post a_post(const char *id, const char *key, const char *timestamp)
{
    return (struct post){
        .key = key,
        .message = {.id = id, .text = "x\"y", .timestamp = timestamp, .instance = "i-1"}};
}

static void test_batch(void **state)
{
    static const char today[] = "2026-11-21T22:25:16.123Z";
    struct post posts[] = {a_post("1", NULL, today),
                           a_post("2", "k1", today),
                           a_post("3", "k2", today),
                           a_post("4", "k1", today),                      /* its key is taken */
                           a_post("2", NULL, today),                      /* its id is */
                           a_post("5", NULL, "2026-11-22T00:00:00.000Z"), /* another day */
                           a_post("6", NULL, "no timestamp"),
                           a_post("7", NULL, today)};
    struct items_batch batch = {.day = "2026-11-21"};
    static const struct {
        enum items_action action;
        size_t post;
    } actions[] = {{ITEMS_COUNTER, 0}, {ITEMS_ACTIVITY, 0}, {ITEMS_MESSAGE, 0}, {ITEMS_MESSAGE, 1},
                   {ITEMS_KEY, 1},     {ITEMS_MESSAGE, 2},  {ITEMS_KEY, 2}};
    CLEANUP_JSON struct json_object *body = NULL;
    struct json_object *array;
    struct buffer buffer;

    posts[ARRAY_SIZE(posts) - 1].message.instance = "i-2";
    for (size_t i = 0; i < ARRAY_SIZE(posts); i++) {
        assert_int_equal(items_batch_admits(&batch, &posts[i]), i < 3);
        if (i < 3)
            batch.posts[batch.count++] = &posts[i];
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        size_t post = 0;

        assert_int_equal(items_batch_action(&batch, i, &post), actions[i].action);
        assert_int_equal(post, actions[i].post);
    }
    assert_int_equal(items_batch_action(&batch, ARRAY_SIZE(actions), &(size_t){0}),
                     ITEMS_NO_ACTION);
    buffer_init(&buffer, 65536);
    items_transaction(&buffer, &items, &batch, "token", 7, NOW_S);
    assert_false(buffer.failed);
    body = parse(buffer.data);
    assert_int_equal(json_get_array(body, "TransactItems", &array), 0);
    assert_int_equal(json_object_array_length(array), ARRAY_SIZE(actions));
    assert_non_null(strstr(buffer.data, "{\"pk\":{\"S\":\"C#b\"},\"sk\":{\"S\":\"07\"}}"));
    assert_non_null(strstr(buffer.data, "{\":n\":{\"N\":\"3\"}}"));
    assert_non_null(strstr(buffer.data, "\"sk\":{\"S\":\"0005984333#i-1#07\"}"));
    assert_non_null(strstr(buffer.data, "\"pk\":{\"S\":\"K#b#k1\"}"));
    assert_null(strstr(buffer.data, "M#b#2026-11-22"));
    buffer_done(&buffer);
}

/* As many as there may be, each as large as can be: within the actions and bytes of a transaction.
 */
static void test_largest_batch(void **state)
{
    static char text[MESSAGE_TEXT_CHARACTERS + 1], instance[256], id[ITEMS_BATCH_MAX][37],
        keys[ITEMS_BATCH_MAX][STORE_KEY_MAX];
    struct post posts[ITEMS_BATCH_MAX];
    struct items_batch batch = {.day = "2026-11-21"};
    struct items longest = {.table = instance, .board = "b", .retention_days = 36500};
    struct buffer buffer;
    size_t position = 0, unused;

    memset(instance, 'i', 255);
    memset(text, '\x01', sizeof(text) - 1); /* six bytes each in JSON */
    for (size_t i = 0; i < ITEMS_BATCH_MAX; i++) {
        snprintf(id[i], sizeof(id[i]), "%036zu", i);
        snprintf(keys[i], sizeof(keys[i]), "%064zu", i);
        posts[i] = a_post(id[i], keys[i], "2026-11-21T22:25:16.123Z");
        posts[i].message.text = text;
        posts[i].message.instance = instance;
        assert_true(items_batch_admits(&batch, &posts[i]));
        batch.posts[batch.count++] = &posts[i];
    }
    assert_false(items_batch_admits(&batch, &posts[0]));
    while (items_batch_action(&batch, position, &unused) != ITEMS_NO_ACTION)
        position++;
    assert_int_equal(position, 82);
    buffer_init(&buffer, 2u * 1024 * 1024);
    items_transaction(&buffer, &longest, &batch, "token", 7, NOW_S);
    assert_false(buffer.failed);
    print_message("the largest transaction: %zu bytes\n", buffer.length);
    assert_true(buffer.length < DYNAMODB_BODY_MAX);
    buffer_done(&buffer);
}

/* --- bodies ---------------------------------------------------------------------------------- */

static void test_bodies(void **state)
{
    static const uint8_t secret[STORE_SECRET_BYTES] = {0xab, 0xcd};
    const struct items kept = {.table = "t\"", .board = "b", .retention_days = 7};
    uint8_t back[STORE_SECRET_BYTES];
    struct buffer buffers[9];

    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        buffer_init(&buffers[i], 4096);
    items_put_day(&buffers[0], &items, "2026-11-21", NOW_S);
    items_put_day(&buffers[1], &kept, "2026-11-21", NOW_S);
    items_query_messages(&buffers[2], &items, "2026-11-21", "", 51, false);
    items_query_messages(&buffers[3], &items, "2026-11-21", "2026-11-21T1#\"", 51, true);
    items_query_days(&buffers[4], &items, "2026-11-21", false);
    items_query_counter(&buffers[5], &items);
    items_query_activity(&buffers[6], &items, "", NOW_S);
    items_get_secret(&buffers[7], &items, true);
    items_put_secret(&buffers[8], &items, secret);
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
        CLEANUP_JSON struct json_object *body = parse(buffers[i].data);
        struct json_object *item;

        if (i == 8) {
            assert_true(json_object_object_get_ex(body, "Item", &item));
            assert_int_equal(items_parse_secret(item, back), 0);
            assert_memory_equal(back, secret, sizeof(back));
        }
    }
    assert_null(strstr(buffers[0].data, "ttl"));
    assert_non_null(strstr(buffers[1].data, "\"ttl\":{\"N\":\"1796077600\"}"));
    assert_null(strstr(buffers[2].data, ":sk"));
    assert_null(strstr(buffers[2].data, "ConsistentRead"));
    assert_non_null(strstr(buffers[3].data, "pk = :pk AND sk < :sk"));
    assert_non_null(strstr(buffers[3].data, "\"ConsistentRead\":true"));
    assert_non_null(strstr(buffers[6].data, "\":sk\":{\"S\":\"0005984322\"}"));
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        buffer_done(&buffers[i]);
}

static void test_bad_secrets(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"secret\":{\"S\":\"abcd\"}}",
        "{\"secret\":{\"S\":\"zz00000000000000000000000000000000000000000000000000000000000000\"}}",
        "{\"secret\":{\"N\":\"0000000000000000000000000000000000000000000000000000000000000000\"}}",
    };
    uint8_t secret[STORE_SECRET_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP_JSON struct json_object *item = parse(bad[i]);

        assert_int_equal(items_parse_secret(item, secret), -EBADMSG);
    }
}

/* Whatever else is in the table: what is longer than a message may be is none. */
static void test_items_too_long(void **state)
{
    static const struct {
        size_t id, text, timestamp, instance;
        int error;
    } cases[] = {
        {64, 500, 32, 255, 0},      {65, 1, 24, 1, -EBADMSG}, {0, 1, 24, 1, -EBADMSG},
        {36, 501, 24, 1, -EBADMSG}, {36, 1, 33, 1, -EBADMSG}, {36, 1, 24, 256, -EBADMSG},
        {36, 0, 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json_object *item = NULL;
        char text[2048];
        struct message message;

        snprintf(text, sizeof(text),
                 "{\"id\":{\"S\":\"%0*d\"},\"message\":{\"S\":\"%0*d\"},"
                 "\"timestamp\":{\"S\":\"%0*d\"},\"instanceId\":{\"S\":\"%0*d\"}}",
                 (int) cases[i].id, 0, (int) cases[i].text, 0, (int) cases[i].timestamp, 0,
                 (int) cases[i].instance, 0);
        if (cases[i].id == 0)
            snprintf(text, sizeof(text), "{\"id\":{\"S\":\"\"}}");
        item = parse(text);
        if (items_parse_message(item, NOW_S, &message) != cases[i].error)
            fail_msg("case %zu", i);
    }
}

/* --- the walk -------------------------------------------------------------------------------- */

/* An answer of |count| messages of |day|, numbered down from |first|. */
static void answer_messages(struct walk *walk, const char *day, int first, int count, bool more)
{
    CLEANUP_JSON struct json_object *answer = NULL;
    struct buffer buffer;

    assert_int_equal(walk->step, WALK_MESSAGES);
    assert_string_equal(walk->day, day);
    buffer_init(&buffer, 1 << 20);
    buffer_append_string(&buffer, "{\"Items\":[");
    for (int i = 0; i < count; i++)
        buffer_printf(&buffer,
                      "%s{\"sk\":{\"S\":\"%sT#%03d\"},\"id\":{\"S\":\"%03d\"},\"message\":{\"S\":"
                      "\"m\"},\"timestamp\":{\"S\":\"%sT\"},\"instanceId\":{\"S\":\"i\"}}",
                      i ? "," : "", day, first - i, first - i, day);
    buffer_append_string(&buffer, "]");
    if (more)
        buffer_printf(&buffer, ",\"LastEvaluatedKey\":{\"sk\":{\"S\":\"%sT#%03d\"}}", day,
                      first - count + 1);
    buffer_append_string(&buffer, "}");
    answer = parse(buffer.data);
    buffer_done(&buffer);
    assert_int_equal(walk_take(walk, answer), 0);
}

static void answer_days(struct walk *walk, const char *before, const char *days, bool more)
{
    CLEANUP_JSON struct json_object *answer = NULL;
    struct buffer buffer;

    assert_int_equal(walk->step, WALK_DAYS);
    assert_string_equal(walk->day, before);
    buffer_init(&buffer, 4096);
    buffer_append_string(&buffer, "{\"Items\":[");
    for (size_t i = 0; i < strlen(days); i += 11)
        buffer_printf(&buffer, "%s{\"sk\":{\"S\":\"%.10s\"}}", i ? "," : "", days + i);
    buffer_printf(&buffer, "]%s}",
                  more ? ",\"LastEvaluatedKey\":{\"sk\":{\"S\":\"2000-01-01\"}}" : "");
    answer = parse(buffer.data);
    buffer_done(&buffer);
    assert_int_equal(walk_take(walk, answer), 0);
}

static void expect_end(struct walk *walk, size_t count, const char *position)
{
    char text[STORE_POSITION_MAX];

    assert_int_equal(walk->step, WALK_DONE);
    assert_int_equal(message_list_count(walk->list), count);
    assert_string_equal(walk_position(walk, text), position);
    walk_done(walk);
}

static void test_walk(void **state)
{
    struct walk walk;

    /* A busy board: one request. */
    assert_int_equal(walk_begin(&walk, &items, NULL, 50, NOW_S), 0);
    assert_int_equal(walk.wanted, 51);
    answer_messages(&walk, "2026-11-21", 100, 51, true);
    expect_end(&walk, 50, "2026-11-21T#051");

    /* DynamoDB may give less than asked for, and then goes on. */
    assert_int_equal(walk_begin(&walk, &items, NULL, 50, NOW_S), 0);
    answer_messages(&walk, "2026-11-21", 100, 30, true);
    assert_string_equal(walk.before, "2026-11-21T#071");
    assert_int_equal(walk.wanted, 21);
    answer_messages(&walk, "2026-11-21", 70, 0, true);
    walk_done(&walk);

    /* An empty one. */
    assert_int_equal(walk_begin(&walk, &items, NULL, 50, NOW_S), 0);
    answer_messages(&walk, "2026-11-21", 0, 0, false);
    answer_days(&walk, "2026-11-21", "", false);
    expect_end(&walk, 0, "");

    /* Over days; the last page is full and there is nothing behind it. */
    assert_int_equal(walk_begin(&walk, &items, NULL, 3, NOW_S), 0);
    answer_messages(&walk, "2026-11-21", 9, 1, false);
    answer_days(&walk, "2026-11-21", "2026-11-19 2026-10-01", false);
    answer_messages(&walk, "2026-11-19", 8, 0, false);
    answer_messages(&walk, "2026-10-01", 7, 2, false);
    expect_end(&walk, 3, "");

    /* From a position on. */
    assert_int_equal(walk_begin(&walk, &items, "2026-10-01T#007", 1, NOW_S), 0);
    assert_string_equal(walk.before, "2026-10-01T#007");
    answer_messages(&walk, "2026-10-01", 6, 2, true);
    expect_end(&walk, 1, "2026-10-01T#006");
}

/* Many days without a message left: the list ends short and tells where to go on. */
static void test_walk_is_bounded(void **state)
{
    static const char days[] = "2025-01-08 2025-01-07 2025-01-06 2025-01-05 2025-01-04 2025-01-03 "
                               "2025-01-02 2025-01-01";
    static const char more_days[] = "2024-01-08 2024-01-07 2024-01-06 2024-01-05 2024-01-04 "
                                    "2024-01-03 2024-01-02 2024-01-01";
    struct walk walk;
    unsigned queries = 0;

    assert_int_equal(walk_begin(&walk, &items, NULL, 50, NOW_S), 0);
    answer_messages(&walk, "2026-11-21", 0, 0, false);
    answer_days(&walk, "2026-11-21", days, true);
    for (unsigned i = 0; i < 8; i++)
        answer_messages(&walk, walk.day, 0, 0, false);
    answer_days(&walk, "2025-01-01", more_days, true);
    for (queries = 11; walk.step != WALK_DONE; queries++)
        answer_messages(&walk, walk.day, 0, 0, false);
    assert_int_equal(queries, WALK_QUERIES_MAX);
    expect_end(&walk, 0, "2024-01-03U#");
    assert_int_equal(walk_begin(&walk, &items, "2024-01-03U#", 50, NOW_S), 0);
    answer_messages(&walk, "2024-01-03", 5, 1, false);
    answer_days(&walk, "2024-01-03", "", false);
    expect_end(&walk, 1, "");
    assert_int_equal(walk_begin(&walk, &items, "2024-01-03", 50, NOW_S), 0);
    answer_days(&walk, "2024-01-03", "", false);
    expect_end(&walk, 0, "");
}

static void test_walk_keeps_retention(void **state)
{
    const struct items kept = {.table = "t", .board = "b", .retention_days = 7};
    struct walk walk;

    assert_int_equal(walk_begin(&walk, &kept, NULL, 50, NOW_S), 0);
    answer_messages(&walk, "2026-11-21", 9, 1, false);
    answer_days(&walk, "2026-11-21", "2026-11-14 2026-11-13", true);
    answer_messages(&walk, "2026-11-14", 8, 1, false);
    expect_end(&walk, 2, "");
}

static void test_walk_refuses(void **state)
{
    static const char *const positions[] = {"", "x", "2026-11-21T", "2026-11-21 #",
                                            "2026-11-21T#\""};
    static const char *const answers[] = {
        "{}",
        "{\"Items\":7}",
        "{\"Items\":[],\"LastEvaluatedKey\":7}",
        "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"x\"}}}",
    };
    struct walk walk;

    for (size_t i = 0; i < ARRAY_SIZE(positions); i++) {
        assert_int_equal(walk_begin(&walk, &items, positions[i], 50, NOW_S), -EINVAL);
        assert_null(walk.list);
    }
    for (size_t i = 0; i < 2 * ARRAY_SIZE(answers); i++) {
        CLEANUP_JSON struct json_object *answer = parse(answers[i / 2]);

        assert_int_equal(walk_begin(&walk, &items, i % 2 ? "2026-11-21" : NULL, 50, NOW_S), 0);
        assert_int_equal(walk_take(&walk, answer), -EBADMSG);
        walk_done(&walk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_largest_batch),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bad_secrets),
        cmocka_unit_test(test_items_too_long),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_is_bounded),
        cmocka_unit_test(test_walk_keeps_retention),
        cmocka_unit_test(test_walk_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
