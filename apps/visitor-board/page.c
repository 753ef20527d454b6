/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/page.h"

#include "common/base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

const struct asset assets[1]; /* none yet */
const size_t n_assets = 0;

/* Changing the style changes its hash in PAGE_SECURITY_POLICY. */
static const char style[] =
    ":root{--ink:#16191f;--soft:#545b64;--line:#d5dbdb;--paper:#fff;--ground:#f2f3f3}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--ground);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\n"
    "header{background:#232f3e;color:#fff;border-bottom:4px solid #ff9900}\n"
    ".inner,main{max-width:60rem;margin:0 auto;padding:1.25rem}\n"
    ".inner{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;"
    "gap:.25rem 1.5rem}\n"
    "h1{margin:0;font-size:1.5rem}\n"
    "h2{margin:2rem 0 .75rem;font-size:1.125rem}\n"
    "header p{margin:0;color:#d5dbdb;overflow-wrap:anywhere}\n"
    "form,table,.empty{background:var(--paper);border:1px solid var(--line);border-radius:8px}\n"
    "form,.empty{padding:1rem 1.25rem}\n"
    "label{display:block;font-weight:600;margin-bottom:.375rem}\n"
    "textarea{display:block;width:100%;min-height:4.5rem;padding:.5rem .75rem;font:inherit;"
    "color:inherit;background:var(--paper);border:1px solid #879596;border-radius:6px;"
    "resize:vertical}\n"
    ".row{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;"
    "gap:.75rem;margin-top:.75rem}\n"
    ".row p{margin:0;color:var(--soft);font-size:.875rem}\n"
    "button{padding:.5rem 1.5rem;min-height:2.75rem;font:inherit;font-weight:600;color:#16191f;"
    "background:#ff9900;border:0;border-radius:6px;cursor:pointer}\n"
    "button:hover{background:#ec7211}\n"
    "textarea:focus-visible,button:focus-visible{outline:3px solid #0073bb;outline-offset:2px}\n"
    ".box{margin:0 0 1rem;padding:.75rem 1rem;border-radius:8px;border:1px solid;"
    "border-left-width:6px}\n"
    ".error{background:#fdf3f1;border-color:#d13212;color:#8d1b06}\n"
    ".notice{background:#fffbe8;border-color:#b07b00;color:#5f4300}\n"
    "table{width:100%;border-collapse:separate;border-spacing:0;table-layout:fixed}\n"
    "th,td{padding:.625rem 1.25rem;text-align:start;vertical-align:top}\n"
    "th{color:var(--soft);font-size:.8125rem;border-bottom:2px solid #ff9900}\n"
    "tr+tr td{border-top:1px solid var(--line)}\n"
    "td{overflow-wrap:anywhere}\n"
    ".text{white-space:pre-wrap}\n"
    "td:nth-child(n+2){color:var(--soft);font-size:.875rem}\n"
    "th:nth-child(2){width:13rem}\n"
    "th:nth-child(3){width:13rem}\n"
    "@media(max-width:40rem){.inner,main{padding:1rem}th,td{padding:.5rem .75rem}"
    "th:nth-child(2){width:7.25rem}th:nth-child(3){width:6.75rem}"
    "td:nth-child(n+2){font-size:.8125rem}button{width:100%}}\n";

static const char head_before_style[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Visitor Board</title>\n"
    "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
    "viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%23232f3e'/%3E%3Cpath "
    "d='M2 2.5h4M2 4h4M2 5.5h2' stroke='%23ff9900'/%3E%3C/svg%3E\">\n"
    "<style>";

static const char style_to_instance[] = "</style>\n"
                                        "</head>\n"
                                        "<body>\n"
                                        "<header>\n"
                                        "<div class=\"inner\">\n"
                                        "<h1>Visitor Board</h1>\n"
                                        "<p>Served by: ";

static const char instance_to_main[] = "</p>\n"
                                       "</div>\n"
                                       "</header>\n"
                                       "<main>\n";

static const char form_to_draft[] =
    "<form method=\"post\" action=\"/\">\n"
    "<label for=\"message\">Your message</label>\n"
    "<textarea id=\"message\" name=\"message\" rows=\"3\" maxlength=\"500\" "
    "aria-describedby=\"message-hint\">\n";

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

/* Whether it looks as "2026-11-21T22:25:16..." does. */
static bool is_timestamp(const char *text)
{
    static const char shape[] = "0000-00-00T00:00:00";

    for (size_t i = 0; i < sizeof(shape) - 1; i++)
        if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    return true;
}

/* Readable for people, exact for programs; what is no time of ours is shown as it is. */
static void render_time(struct buffer *buffer, const char *timestamp)
{
    if (!is_timestamp(timestamp)) {
        page_escape(buffer, timestamp);
        return;
    }
    buffer_append_string(buffer, "<time datetime=\"");
    page_escape(buffer, timestamp);
    buffer_printf(buffer, "\">%.10s %.8s UTC</time>", timestamp, timestamp + 11);
}

static void render_message(struct buffer *buffer, const struct message *message)
{
    buffer_append_string(buffer, "<tr><td class=\"text\" dir=\"auto\">");
    page_escape(buffer, message->text);
    buffer_append_string(buffer, "</td><td>");
    render_time(buffer, message->timestamp);
    buffer_append_string(buffer, "</td><td>");
    page_escape(buffer, message->instance);
    buffer_append_string(buffer, "</td></tr>\n");
}

static void render_messages(struct buffer *buffer, const struct message_list *messages)
{
    size_t count = message_list_count(messages);

    buffer_append_string(buffer, "<h2 id=\"messages\">Messages</h2>\n");
    if (count == 0) {
        buffer_append_string(buffer, "<p class=\"empty\">No messages yet.</p>\n");
        return;
    }
    buffer_append_string(buffer, table_head);
    for (size_t i = 0; i < count; i++) {
        struct message message = message_list_get(messages, i);

        render_message(buffer, &message);
    }
    buffer_append_string(buffer, "</tbody>\n</table>\n");
}

static void render_box(struct buffer *buffer, const char *kind, const char *role, const char *text)
{
    if (!text)
        return;
    buffer_printf(buffer, "<p class=\"box %s\" role=\"%s\">", kind, role);
    page_escape(buffer, text);
    buffer_append_string(buffer, "</p>\n");
}

static void render_head(struct buffer *buffer, const struct page *page)
{
    buffer_append_string(buffer, head_before_style);
    buffer_append(buffer, style, sizeof(style) - 1);
    buffer_append_string(buffer, style_to_instance);
    page_escape(buffer, page->instance);
    if (page->zone && *page->zone) {
        buffer_append_string(buffer, " in ");
        page_escape(buffer, page->zone);
    }
    buffer_append_string(buffer, instance_to_main);
}

static void render_form(struct buffer *buffer, const char *draft)
{
    buffer_append_string(buffer, form_to_draft);
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
    if (!page->newer && !page->older)
        return;
    buffer_append_string(buffer, "<nav aria-label=\"Pages\">\n");
    render_link(buffer, page->newer, "prev", "Newest messages");
    render_link(buffer, page->older, "next", "Older messages");
    buffer_append_string(buffer, "</nav>\n");
}

int page_render(struct buffer *buffer, const struct page *page)
{
    render_head(buffer, page);
    render_box(buffer, "error", "alert", page->error);
    render_box(buffer, "notice", "status", page->notice);
    render_form(buffer, page->draft);
    if (page->messages)
        render_messages(buffer, page->messages);
    if (page->stats)
        buffer_printf(buffer, "<p>%llu messages in all.</p>\n",
                      (unsigned long long) page->stats->total);
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
