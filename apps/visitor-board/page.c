/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/page.h"

#include "apps/visitor-board/assets.h"
#include "apps/visitor-board/page-text.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

#define BARS_MAX 10u /* as many nodes as the fleet has; the rest is a sum */

/* The script swaps what is in the elements with an id, and leaves the form alone. */
static const char head_to_title[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta name=\"theme-color\" content=\"#232f3e\">\n"
    "<title>";

static const char title_to_assets[] = "Visitor Board</title>\n";

static const char assets_to_served[] = "</head>\n"
                                       "<body>\n"
                                       "<header>\n"
                                       "<div class=\"inner\">\n"
                                       "<h1>Visitor Board</h1>\n";

static const char served_to_main[] = "</div>\n"
                                     "</header>\n"
                                     "<main>\n";

static const char form_to_error[] = "<form method=\"post\" action=\"/\">\n"
                                    "<label for=\"message\">Your message</label>\n";

/* The limit is the server's. This one is what 500 characters take at most in a browser, which
 * counts UTF-16: it never keeps anybody from writing them, and all that passes can come back as a
 * draft. */
static const char error_to_state[] =
    "<textarea id=\"message\" name=\"message\" rows=\"3\" maxlength=\"1000\" ";

/* The parser drops the first line end behind the tag: a draft may begin with one. */
static const char state_to_draft[] = ">\n";

static const char draft_to_end[] =
    "</textarea>\n"
    "<div class=\"row\">\n"
    "<p id=\"message-hint\">Up to 500 characters. Everyone who visits can read it.</p>\n"
    "<button type=\"submit\">Post message</button>\n"
    "</div>\n"
    "</form>\n";

static const char table_head[] = "<table aria-labelledby=\"messages\">\n"
                                 "<thead>\n"
                                 "<tr><th scope=\"col\">Message</th><th scope=\"col\">Time</th>"
                                 "<th scope=\"col\">Instance</th></tr>\n"
                                 "</thead>\n"
                                 "<tbody>\n";

/* Bytes of the well-formed UTF-8 character at |text|, or 0. Stops at the NUL. */
static size_t character_size(const char *text)
{
    unsigned char first = (unsigned char) *text;
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    for (size_t i = 1; i < size; i++)
        if (((unsigned char) text[i] & 0xc0) != 0x80)
            return 0;
    return text_is_utf8(text, size) ? size : 0;
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

int page_escape(struct buffer *buffer, const char *text)
{
    const char *plain = text; /* begin of what can be copied as it is */
    int r = 0;

    while (r >= 0 && *text) {
        size_t size = (unsigned char) *text < 0x80 ? 1 : character_size(text);
        const char *escape = size == 0 ? "\xef\xbf\xbd" : escape_of(*text);

        if (escape) {
            r = buffer_append(buffer, plain, (size_t) (text - plain));
            if (r >= 0)
                r = buffer_append_string(buffer, escape);
            plain = text + 1;
        }
        text += size == 0 ? 1 : size;
    }
    if (r >= 0)
        r = buffer_append(buffer, plain, (size_t) (text - plain));
    return r;
}

/* --- messages -------------------------------------------------------------------------------- */

/* Readable for people, exact for programs; what is no time of ours is shown as it is. */
static void render_time(struct buffer *buffer, const char *timestamp, uint64_t now_realtime_us)
{
    char ago[PAGE_AGO_SIZE];

    if (!page_is_timestamp(timestamp)) {
        page_escape(buffer, timestamp);
        return;
    }
    buffer_append_string(buffer, "<time datetime=\"");
    page_escape(buffer, timestamp);
    buffer_printf(buffer, "\"><span>%s</span> %.10s %.8s UTC</time>",
                  page_ago(ago, timestamp, now_realtime_us), timestamp, timestamp + 11);
}

static void render_message(struct buffer *buffer, const struct message *message,
                           uint64_t now_realtime_us)
{
    buffer_append_string(buffer, "<tr><td dir=\"auto\">");
    page_escape(buffer, message->text);
    buffer_append_string(buffer, "</td><td>");
    render_time(buffer, message->timestamp, now_realtime_us);
    buffer_printf(buffer, "</td><td class=\"i%u\">", page_colour(message->instance));
    page_escape(buffer, message->instance);
    buffer_append_string(buffer, "</td></tr>\n");
}

static void render_table(struct buffer *buffer, const struct page *page, size_t count)
{
    buffer_append_string(buffer, table_head);
    for (size_t i = 0; i < count; i++) {
        struct message message = message_list_get(page->messages, i);

        render_message(buffer, &message, page->now_realtime_us);
    }
    buffer_append_string(buffer, "</tbody>\n</table>\n");
}

static void render_total(struct buffer *buffer, const struct store_stats *stats)
{
    char total[PAGE_NUMBER_SIZE];

    if (stats && stats->total > 0)
        buffer_printf(buffer, "<p id=\"total\">%s in all</p>\n", page_number(total, stats->total));
}

static void render_messages(struct buffer *buffer, const struct page *page)
{
    size_t count = message_list_count(page->messages);

    buffer_append_string(buffer, "<div id=\"board\">");
    if (page->messages) {
        buffer_printf(buffer, "<div class=\"row\">\n<h2 id=\"messages\">%s</h2>\n",
                      page->newer ? "Older messages" : "Messages");
        render_total(buffer, page->stats);
        buffer_append_string(buffer, "</div>\n");
        if (count > 0)
            render_table(buffer, page, count);
        else
            buffer_printf(buffer, "<p class=\"empty\">%s</p>\n",
                          page->newer ? "No older messages."
                                      : "No messages yet. Be the first to write one.");
    }
    buffer_append_string(buffer, "</div>\n");
}

/* --- who took how many ----------------------------------------------------------------------- */

static void render_bar(struct buffer *buffer, const char *name, uint64_t count, uint64_t most)
{
    char number[PAGE_NUMBER_SIZE];

    buffer_printf(buffer, "<li class=\"i%u\"><span>", page_colour(name));
    page_escape(buffer, name);
    buffer_printf(
        buffer,
        "</span> <strong>%s</strong><svg viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" "
        "aria-hidden=\"true\"><rect width=\"%u\" height=\"1\"/></svg></li>\n",
        page_number(number, count), page_percent(count, most));
}

static void render_rest(struct buffer *buffer, const struct store_stats *stats)
{
    uint64_t rest = stats->others;
    char number[PAGE_NUMBER_SIZE];

    for (size_t i = BARS_MAX; i < stats->n_instances; i++)
        rest += stats->instances[i].count;
    if (rest > 0)
        buffer_printf(buffer, "<li><span>Others</span> <strong>%s</strong></li>\n",
                      page_number(number, rest));
}

static void render_load(struct buffer *buffer, const struct store_stats *stats)
{
    buffer_append_string(buffer, "<div id=\"load\">");
    if (stats) {
        buffer_append_string(buffer, "<h2>Last hour, by instance</h2>\n");
        if (stats->n_instances == 0)
            buffer_append_string(buffer, "<p>No messages in the last hour.</p>\n");
        else
            buffer_append_string(buffer, "<ul>\n");
        for (size_t i = 0; i < stats->n_instances && i < BARS_MAX; i++)
            render_bar(buffer, stats->instances[i].name, stats->instances[i].count,
                       stats->instances[0].count);
        if (stats->n_instances > 0) {
            render_rest(buffer, stats);
            buffer_append_string(buffer, "</ul>\n");
        }
    }
    buffer_append_string(buffer, "</div>\n");
}

/* --- the rest of the page -------------------------------------------------------------------- */

static void render_head(struct buffer *buffer, const struct page *page)
{
    buffer_append_string(buffer, head_to_title);
    if (page->error) /* the first that a screen reader says of a page */
        buffer_append_string(buffer, "Error: ");
    buffer_append_string(buffer, title_to_assets);
    buffer_printf(buffer,
                  "<link rel=\"icon\" type=\"image/svg+xml\" href=\"%s\">\n"
                  "<link rel=\"stylesheet\" href=\"%s\">\n"
                  "<script src=\"%s\" defer></script>\n",
                  assets[ASSET_ICON].path, assets[ASSET_STYLE].path, assets[ASSET_SCRIPT].path);
    buffer_append_string(buffer, assets_to_served);
    buffer_printf(buffer,
                  "<p id=\"served\" class=\"i%u\">Served by: ", page_colour(page->instance));
    page_escape(buffer, page->instance);
    if (page->zone && *page->zone) {
        buffer_append_string(buffer, "<span> in ");
        page_escape(buffer, page->zone);
        buffer_append_string(buffer, "</span>");
    }
    buffer_append_string(buffer, "</p>\n");
    buffer_append_string(buffer, served_to_main);
}

static void render_notice(struct buffer *buffer, const char *notice)
{
    buffer_append_string(buffer, "<div id=\"notice\" role=\"status\">");
    if (notice) {
        buffer_append_string(buffer, "<p class=\"box notice\">");
        page_escape(buffer, notice);
        buffer_append_string(buffer, "</p>");
    }
    buffer_append_string(buffer, "</div>\n");
}

static void render_form(struct buffer *buffer, const char *error, const char *draft)
{
    buffer_append_string(buffer, form_to_error);
    if (error) {
        buffer_append_string(buffer, "<p class=\"box error\" role=\"alert\" id=\"message-error\">");
        page_escape(buffer, error);
        buffer_append_string(buffer, "</p>\n");
    }
    buffer_append_string(buffer, error_to_state);
    buffer_append_string(buffer, error ? "aria-describedby=\"message-error message-hint\" "
                                         "aria-invalid=\"true\" autofocus"
                                       : "aria-describedby=\"message-hint\"");
    buffer_append_string(buffer, state_to_draft);
    if (draft)
        page_escape(buffer, draft);
    buffer_append_string(buffer, draft_to_end);
}

static void render_link(struct buffer *buffer, const char *address, const char *relation,
                        const char *text)
{
    if (!address)
        return;
    buffer_printf(buffer, "<a rel=\"%s\" href=\"", relation);
    page_escape(buffer, address);
    buffer_printf(buffer, "\">%s</a>\n", text);
}

static void render_links(struct buffer *buffer, const struct page *page)
{
    buffer_append_string(buffer, "<div id=\"pages\">");
    if (page->newer || page->older) {
        buffer_append_string(buffer, "<nav aria-label=\"Pages\">\n");
        render_link(buffer, page->newer, "prev", "Newest messages");
        render_link(buffer, page->older, "next", "Older messages");
        buffer_append_string(buffer, "</nav>\n");
    }
    buffer_append_string(buffer, "</div>\n");
}

int page_render(struct buffer *buffer, const struct page *page)
{
    render_head(buffer, page);
    render_notice(buffer, page->notice);
    render_form(buffer, page->error, page->draft);
    render_load(buffer, page->stats);
    render_messages(buffer, page);
    render_links(buffer, page);
    buffer_append_string(buffer, "</main>\n</body>\n</html>\n");
    return buffer->failed ? -ENOBUFS : 0;
}

const char *page_error_text(const char *code)
{
    static const struct {
        const char *code;
        const char *text;
    } errors[] = {
        {"too-long", "Your message was not posted: it has more than 500 characters."},
        {"characters", "Your message was not posted: it has control characters in it."},
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        if (strcmp(code, errors[i].code) == 0)
            return errors[i].text;
    return "That did not work. Please try again.";
}
