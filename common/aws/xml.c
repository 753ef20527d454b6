/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer that keeps the names of what is open, so that tags must match. It allocates nothing
 * and never looks back: linear in the text's length. */
#include "common/aws/xml.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

bool xml_slice_is(struct xml_slice slice, const char *word)
{
    return slice.length == strlen(word) && memcmp(slice.data, word, slice.length) == 0;
}

void xml_init(struct xml *xml, const char *text, size_t length)
{
    *xml = (struct xml){.at = text, .end = text + length};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':';
}

static bool begins(const struct xml *xml, const char *word)
{
    size_t length = strlen(word);

    return (size_t) (xml->end - xml->at) >= length && memcmp(xml->at, word, length) == 0;
}

/* Goes behind |word|. */
static int skip_past(struct xml *xml, const char *word)
{
    const char *found = memmem(xml->at, (size_t) (xml->end - xml->at), word, strlen(word));

    if (!found)
        return -EBADMSG;
    xml->at = found + strlen(word);
    return 0;
}

static struct xml_slice take_name(struct xml *xml)
{
    struct xml_slice name = {.data = xml->at};

    while (xml->at < xml->end && is_name(*xml->at))
        xml->at++;
    name.length = (size_t) (xml->at - name.data);
    return name;
}

static void skip_blanks(struct xml *xml)
{
    while (xml->at < xml->end && is_blank(*xml->at))
        xml->at++;
}

/* Attributes say nothing that anybody here wants, but a '>' may stand in their values. */
static int skip_attributes(struct xml *xml)
{
    for (;;) {
        char quote[2] = "";

        skip_blanks(xml);
        if (xml->at >= xml->end)
            return -EBADMSG;
        if (*xml->at == '>' || *xml->at == '/')
            return 0;
        if (take_name(xml).length == 0)
            return -EBADMSG;
        skip_blanks(xml);
        if (xml->at >= xml->end || *xml->at++ != '=')
            return -EBADMSG;
        skip_blanks(xml);
        if (xml->at >= xml->end || (*xml->at != '"' && *xml->at != '\''))
            return -EBADMSG;
        quote[0] = *xml->at++;
        if (skip_past(xml, quote) < 0)
            return -EBADMSG;
    }
}

static int xml_close(struct xml *xml)
{
    xml->depth--;
    xml->name = xml->open[xml->depth];
    return XML_CLOSE;
}

/* Behind "</". */
static int read_close(struct xml *xml, bool was_leaf, struct xml_slice text)
{
    struct xml_slice name = take_name(xml);
    struct xml_slice open;

    skip_blanks(xml);
    if (xml->depth == 0 || xml->at >= xml->end || *xml->at++ != '>')
        return -EBADMSG;
    open = xml->open[xml->depth - 1];
    if (name.length != open.length || memcmp(name.data, open.data, name.length) != 0)
        return -EBADMSG;
    xml->is_leaf = was_leaf;
    xml->text = was_leaf ? text : (struct xml_slice){0};
    return xml_close(xml);
}

/* Behind "<". */
static int read_open(struct xml *xml)
{
    struct xml_slice name = take_name(xml);

    if (name.length == 0 || xml->depth == XML_DEPTH_MAX || (xml->depth == 0 && xml->seen_root))
        return -EBADMSG;
    if (skip_attributes(xml) < 0)
        return -EBADMSG;
    if (*xml->at == '/') {
        xml->pending_close = true;
        xml->at++;
    }
    if (xml->at >= xml->end || *xml->at++ != '>')
        return -EBADMSG;
    xml->seen_root = true;
    xml->open[xml->depth++] = name;
    xml->name = name;
    return XML_OPEN;
}

/* Text, and what stands for nothing. */
static int skip_to_tag(struct xml *xml, struct xml_slice *ret_text)
{
    const char *tag;

    for (;;) {
        if (begins(xml, "<?")) {
            if (skip_past(xml, "?>") < 0)
                return -EBADMSG;
        } else if (begins(xml, "<!--")) {
            if (skip_past(xml, "-->") < 0)
                return -EBADMSG;
        } else {
            break;
        }
        if (xml->depth == 0)
            skip_blanks(xml);
    }
    tag = memchr(xml->at, '<', (size_t) (xml->end - xml->at));
    if (!tag)
        return xml->depth == 0 ? 0 : -EBADMSG;
    *ret_text = (struct xml_slice){.data = xml->at, .length = (size_t) (tag - xml->at)};
    xml->at = tag;
    return 0;
}

int xml_next(struct xml *xml)
{
    struct xml_slice text = {0};
    const char *name_before = xml->name.data;
    bool after_open = xml->depth > 0 && xml->open[xml->depth - 1].data == name_before;

    if (xml->pending_close) { /* <name/> */
        xml->pending_close = false;
        xml->is_leaf = true;
        xml->text = (struct xml_slice){.data = "", .length = 0};
        return xml_close(xml);
    }
    if (xml->depth == 0)
        skip_blanks(xml);
    if (skip_to_tag(xml, &text) < 0)
        return -EBADMSG;
    if (xml->depth == 0 && (xml->at >= xml->end || *xml->at != '<'))
        return xml->seen_root && xml->at >= xml->end ? XML_END : -EBADMSG;
    if (xml->depth == 0 && text.length > 0)
        return -EBADMSG;
    xml->at++;
    if (xml->at < xml->end && *xml->at == '/') {
        xml->at++;
        return read_close(xml, after_open, text);
    }
    return read_open(xml);
}

/* "&#65;", "&#x41;": the character's number, 0 if there is none. */
static uint32_t numeric_entity(const char *digits, size_t length)
{
    uint32_t value = 0;
    unsigned base = 10;

    if (length > 0 && *digits == 'x') {
        base = 16;
        digits++;
        length--;
    }
    if (length == 0 || length > 7)
        return 0;
    for (size_t i = 0; i < length; i++) {
        char c = digits[i];
        unsigned digit = 99;

        if (c >= '0' && c <= '9')
            digit = (unsigned) (c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned) (c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned) (c - 'A') + 10;
        if (digit >= base)
            return 0;
        value = value * base + digit;
    }
    return value;
}

static uint32_t entity(const char *name, size_t length)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};

    if (length > 1 && *name == '#')
        return numeric_entity(name + 1, length - 1);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (xml_slice_is((struct xml_slice){name, length}, known[i].name))
            return (unsigned char) known[i].c;
    return 0;
}

/* Bytes of its UTF-8; 0 for what is no character of a text: surrogates, controls, too large. */
static size_t utf8_encode(uint32_t c, char out[4])
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || (c >= 0xd800 && c <= 0xdfff) ||
        c > 0x10ffff)
        return 0;
    for (size_t i = length - 1; i > 0; i--, c >>= 6)
        out[i] = (char) (0x80 | (c & 0x3f));
    out[0] = (char) (lead[length] | c);
    return length;
}

int xml_decode(struct xml_slice text, char *buffer, size_t size)
{
    const char *end = text.data + text.length;
    size_t used = 0;

    for (const char *p = text.data; p < end;) {
        char piece[4] = {*p};
        size_t length = 1;

        if (*p == '\0')
            return -EBADMSG;
        if (*p == '&') {
            const char *stop = memchr(p, ';', MIN((size_t) (end - p), (size_t) 12));

            if (!stop)
                return -EBADMSG;
            length = utf8_encode(entity(p + 1, (size_t) (stop - p - 1)), piece);
            if (length == 0)
                return -EBADMSG;
            p = stop;
        }
        p++;
        if (used + length >= size)
            return -ENOBUFS;
        memcpy(buffer + used, piece, length);
        used += length;
    }
    if (size == 0)
        return -ENOBUFS;
    buffer[used] = '\0';
    return 0;
}

int xml_find(const char *text, size_t length, const char *name, char *buffer, size_t size)
{
    struct xml xml;

    xml_init(&xml, text, length);
    for (;;) {
        int event = xml_next(&xml);

        if (event < 0)
            return event;
        if (event == XML_END)
            return -ENOENT;
        if (event == XML_CLOSE && xml.is_leaf && xml_slice_is(xml.name, name))
            return xml_decode(xml.text, buffer, size);
    }
}
