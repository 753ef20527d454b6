/* SPDX-License-Identifier: Apache-2.0 */
#include "common/aws/xml.h"

#include "tests/unit/unit.h"

#include <errno.h>

/* A text of its exact size: nothing may be read behind it. */
static int find(const char *text, const char *name, char *buffer, size_t size)
{
    size_t length = strlen(text);
    char *copy = memcpy(malloc(length + (length == 0)), text, length);
    int r = xml_find(copy, length, name, buffer, size);

    free(copy);
    return r;
}

static void test_find(void **state)
{
    static const struct {
        const char *text;
        int r;
        const char *value;
    } cases[] = {
        {"<a>x</a>", 0, "x"},
        {"<?xml version=\"1.0\"?>\n<r xmlns=\"http://x/\"><b/><a>x y</a></r>\n", 0, "x y"},
        {"<r><!-- <a>no</a> --><a>x</a></r>", 0, "x"},
        {"<r><a b='>' c = \"</a>\">x</a ></r>", 0, "x"},
        {"<r><a/></r>", 0, ""},
        {"<r><a></a></r>", 0, ""},
        {"<r><a>first</a><a>second</a></r>", 0, "first"},
        {"<r><a>&lt;&amp;&#65;&#x20ac;&quot;&apos;&gt;</a></r>", 0, "<&A\xe2\x82\xac\"'>"},
        {"<r><a><b>x</b></a></r>", -ENOENT, NULL},
        {"<r>x</r>", -ENOENT, NULL},
        {"<r><A>x</A></r>", -ENOENT, NULL},
        {"", -EBADMSG, NULL},
        {"x", -EBADMSG, NULL},
        {"<", -EBADMSG, NULL},
        {"<r", -EBADMSG, NULL},
        {"<r>", -EBADMSG, NULL},
        {"<r></s>", -EBADMSG, NULL},
        {"<r></r", -EBADMSG, NULL},
        {"</r>", -EBADMSG, NULL},
        {"<r/><r/>", -EBADMSG, NULL},
        {"<r/>x", -EBADMSG, NULL},
        {"x<r/>", -EBADMSG, NULL},
        {"<r><!-- </r>", -EBADMSG, NULL},
        {"<r><![CDATA[<a>x</a>]]></r>", -EBADMSG, NULL},
        {"<!DOCTYPE r [<!ENTITY e \"x\">]><r><a>&e;</a></r>", -EBADMSG, NULL},
        {"<r><a>&e;</a></r>", -EBADMSG, NULL},
        {"<r><a>&#0;</a></r>", -EBADMSG, NULL},
        {"<r><a>&#7;</a></r>", -EBADMSG, NULL},
        {"<r><a>&#xd800;</a></r>", -EBADMSG, NULL},
        {"<r><a>&#x110000;</a></r>", -EBADMSG, NULL},
        {"<r><a>&#99999999999;</a></r>", -EBADMSG, NULL},
        {"<r><a>&#x;</a></r>", -EBADMSG, NULL},
        {"<r><a>&amp</a></r>", -EBADMSG, NULL},
        {"<r a></r>", -EBADMSG, NULL},
        {"<r a=b></r>", -EBADMSG, NULL},
        {"<r a=\"b></r>", -EBADMSG, NULL},
        {"<r /", -EBADMSG, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char value[64] = "";
        int r = find(cases[i].text, "a", value, sizeof(value));

        if (r != cases[i].r || (cases[i].value && strcmp(value, cases[i].value) != 0))
            fail_msg("%s: %d \"%s\"", cases[i].text, r, value);
    }
}

static void test_sizes(void **state)
{
    char value[4];

    assert_int_equal(find("<a>123</a>", "a", value, 4), 0);
    assert_int_equal(find("<a>1234</a>", "a", value, 4), -ENOBUFS);
    assert_int_equal(find("<a>12&#x20ac;</a>", "a", value, 4), -ENOBUFS);
    assert_int_equal(find("<a/>", "a", value, 1), 0);
    assert_int_equal(find("<a/>", "a", value, 0), -ENOBUFS);
}

static void test_depth(void **state)
{
    for (unsigned depth = XML_DEPTH_MAX - 1; depth <= XML_DEPTH_MAX + 1; depth++) {
        char text[16 * XML_DEPTH_MAX] = "", value[8];

        for (unsigned i = 0; i < depth; i++)
            strcat(text, "<d>");
        for (unsigned i = 0; i < depth; i++)
            strcat(text, "</d>");
        assert_int_equal(find(text, "a", value, sizeof(value)),
                         depth <= XML_DEPTH_MAX ? -ENOENT : -EBADMSG);
    }
}

/* What is open at each event. */
static void test_events(void **state)
{
    static const char text[] = "<r><m><i>1</i></m><m/></r>";
    static const struct {
        int event;
        const char *name;
        unsigned depth;
        bool is_leaf;
    } events[] = {
        {XML_OPEN, "r", 1, false}, {XML_OPEN, "m", 2, false},  {XML_OPEN, "i", 3, false},
        {XML_CLOSE, "i", 2, true}, {XML_CLOSE, "m", 1, false}, {XML_OPEN, "m", 2, false},
        {XML_CLOSE, "m", 1, true}, {XML_CLOSE, "r", 0, false},
    };
    struct xml xml;

    xml_init(&xml, text, sizeof(text) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        assert_int_equal(xml_next(&xml), events[i].event);
        assert_true(xml_slice_is(xml.name, events[i].name));
        assert_int_equal(xml.depth, events[i].depth);
        if (events[i].event == XML_CLOSE)
            assert_true(xml.is_leaf == events[i].is_leaf);
    }
    assert_int_equal(xml_next(&xml), XML_END);
    assert_int_equal(xml_next(&xml), XML_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
